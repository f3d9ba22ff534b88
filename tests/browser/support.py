"""Helpers for browser tests: windows of signed-in people, navigation, and a worker in the background."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django_q.brokers import get_broker
from django_q.signing import SignedPackage
from playwright.sync_api import Browser, BrowserContext, Page

from dupdash.duplication import tasks
from dupdash.duplication.queue.dispatch import COPIES
from tests.conftest import PASSWORD, signed_in

Scheme = Literal["light", "dark"]
DESKTOP = 1280
PHONE = 360
HEIGHTS = {DESKTOP: 800, PHONE: 740}
# The timeout is long, so that a busy machine does not make a test fail.
PATIENCE = 20_000


@contextmanager
def window(
    browser: Browser,
    base: str,
    person: User | None = None,
    *,
    width: int = DESKTOP,
    scheme: Scheme = "light",
    **more: Any,
) -> Iterator[Page]:
    """Open a new browser window in which this person is signed in. An error of a script fails the test."""
    context = browser.new_context(
        base_url=base,
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=scheme,
        has_touch=width == PHONE,
        locale="en-GB",
        timezone_id="Europe/Berlin",
        **more,
    )
    context.set_default_timeout(PATIENCE)
    if person is not None:
        remember(context, base, person)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # The console is the only place that reports what the Content-Security-Policy blocks.
    page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert errors == [], errors


def remember(context: BrowserContext, base: str, person: User) -> None:
    """Give the window the session of this person, as if they had signed in before."""
    cookie = signed_in(person).cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie.value, "url": base}])


def sign_in(page: Page, username: str) -> None:
    """Fill in and send the sign-in form on this page."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def go_to(page: Page, entry: str) -> None:
    """Follow an entry of the main navigation. On a phone a button opens the navigation first."""
    button = page.get_by_role("button", name="Menu")
    if button.is_visible():
        button.click()
    menu = page.get_by_role("navigation", name="Main")
    link = menu.get_by_role("link", name=entry)
    if not link.is_visible():
        menu.get_by_role("button", name="More").focus()
    link.click()


def fits(page: Page) -> bool:
    """Return whether the page does not scroll sideways and no badge overflows its table cell."""
    # A click returns while the next document is still empty.
    page.wait_for_load_state()
    return bool(
        page.evaluate(
            """() => document.documentElement.scrollWidth <= window.innerWidth
              && [...document.querySelectorAll("td > .state")].every((state) =>
                state.getBoundingClientRect().right <= state.parentElement.getBoundingClientRect().right)"""
        )
    )


@contextmanager
def working() -> Iterator[None]:
    """Run a worker in a thread of the test process, so that it uses the sandbox of the test."""
    done = threading.Event()
    at_work: list[threading.Thread] = []

    def run(job_id: str) -> None:
        try:
            tasks.run_job(job_id)
        finally:
            connection.close()

    # The queue may contain messages of other tests, in the database or in Redis.
    broker = get_broker(COPIES)
    broker.purge_queue()

    def take() -> None:
        try:
            while not done.is_set():
                for message, payload in broker.dequeue() or ():
                    task = SignedPackage.loads(payload)
                    broker.acknowledge(message)
                    assert task["func"] == "dupdash.duplication.tasks.run_job"
                    worker = threading.Thread(target=run, args=task["args"], name="worker")
                    at_work.append(worker)
                    worker.start()
        finally:
            connection.close()

    taker = threading.Thread(target=take, name="queue")
    taker.start()
    try:
        yield
    finally:
        done.set()
        taker.join()
        for worker in at_work:
            worker.join()
