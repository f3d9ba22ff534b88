"""Tests that polling does not move the page, change the focus or disturb screen readers.

The clock of the pages is moved forward, so that no test waits for a poll.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import record_event
from tests.browser.support import PHONE, window
from tests.web.support import a_job, a_running_job

pytestmark = [pytest.mark.django_db(transaction=True)]

# Milliseconds, longer than the polling intervals of the list and of the page of a running job.
INTERVAL = 4500

SHIFTS = """() => {
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
    }).observe({type: "layout-shift"});
}"""
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
    Object.defineProperty(document, "visibilityState", {configurable: true, get: () => hidden ? "hidden" : "visible"});
    document.dispatchEvent(new Event("visibilitychange"));
}"""

SAID = """() => {
    window.said = 0;
    const all = {subtree: true, childList: true, characterData: true};
    new MutationObserver(() => { window.said += 1; }).observe(document.getElementById("job-announcement"), all);
}"""


@pytest.fixture
def job(administrator: User) -> DuplicationJob:
    """A job in a slow restore, so that the estimate changes a little with each poll."""
    return a_running_job(
        requester=administrator, phase="restore", expected_backup=20.0, expected_restore=60.0, restore_at=timezone.now()
    )


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob) -> Iterator[Page]:
    with window(browser, live_server.url, administrator) as page:
        page.clock.install()
        page.goto(f"/jobs/{job.pk}/")
        yield page


def _is_poll(answer: Any) -> bool:
    return "/status/" in answer.url


def _poll(page: Page) -> int:
    with page.expect_response(_is_poll) as answer:
        page.clock.run_for(INTERVAL)
    return answer.value.status


def test_polls_do_not_move_the_page(page: Page, job: DuplicationJob) -> None:
    page.evaluate(SHIFTS)
    assert {_poll(page) for _ in range(3)} <= {200, 204}
    assert page.evaluate("window.shifted") == 0


def test_polls_do_not_move_the_page_on_a_phone(page: Page, job: DuplicationJob) -> None:
    page.set_viewport_size({"width": PHONE, "height": 740})
    page.reload()
    page.evaluate(SHIFTS)
    for _ in range(2):
        _poll(page)
    assert page.evaluate("window.shifted") == 0


def test_focus_selection_and_scroll_position_survive_polls(page: Page, job: DuplicationJob) -> None:
    page.set_viewport_size({"width": 1280, "height": 400})
    cancel = page.get_by_role("link", name="Cancel")
    cancel.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.facts code'))")
    cancel.evaluate("(link) => link.focus({preventScroll: true})")
    page.evaluate("scrollTo(0, 180)")
    # An event changes every part of the page.
    record_event(job, kind="content_seen", reason="The contents of the course are there.")
    _poll(page)
    expect(page.locator(".timeline")).to_contain_text("The contents of the course are there.")
    expect(cancel).to_be_focused()
    assert page.evaluate("scrollY") == 180
    assert page.evaluate("String(getSelection())") == job.pk


def test_list_in_a_hidden_tab_does_not_poll(page: Page, job: DuplicationJob) -> None:
    page.goto("/jobs/")
    page.evaluate(HIDE, True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/rows/" in request.url else None)
    page.clock.run_for(INTERVAL)
    assert asked == []
    # When the tab becomes visible again, the page polls at once.
    with page.expect_request(lambda request: "/rows/" in request.url, timeout=1500):
        page.evaluate(HIDE, False)


def test_lost_connection_is_shown_until_it_recovers(page: Page, job: DuplicationJob) -> None:
    notice = page.get_by_text("Connection lost, retrying")
    expect(notice).to_be_hidden()

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/status/**", cut)
    page.clock.run_for(INTERVAL)
    expect(notice).to_be_visible()
    page.unroute("**/status/**", cut)
    _poll(page)
    expect(notice).to_be_hidden()


def test_change_is_announced_to_screen_readers_once(page: Page, job: DuplicationJob) -> None:
    news = page.locator("#job-announcement")
    said_before = news.text_content()
    record_event(job, kind="content_seen", reason="The contents of the course are there.", content_at=timezone.now())
    _poll(page)
    expect(news).not_to_have_text(said_before or "")
    page.evaluate(SAID)
    for _ in range(2):
        _poll(page)
    assert page.evaluate("window.said") == 0


def test_list_updates_an_unfinished_row_in_place_and_keeps_selections(
    browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob
) -> None:
    waits = a_job(shortname="WAITS", requester=administrator)
    with window(browser, live_server.url, administrator) as page:
        page.clock.install()
        page.goto("/jobs/")
        page.get_by_label(f"Select {waits.fullname}").check()
        DuplicationJob.objects.filter(pk=waits.pk).update(state=State.CANCELLED)
        page.clock.run_for(INTERVAL)
        row = page.get_by_role("row").filter(has_text="WAITS")
        expect(row.locator(".state")).to_have_text("Cancelled")
        expect(page.get_by_label(f"Select {waits.fullname}")).to_be_checked()
        expect(page.get_by_text("1 selected")).to_be_visible()
        # Each row is still there once, and the finished row is not polled again.
        expect(page.get_by_role("row")).to_have_count(3)
        with page.expect_request(lambda request: "/jobs/rows/" in request.url) as asked:
            page.clock.run_for(INTERVAL)
        assert job.pk in asked.value.url
        assert waits.pk not in asked.value.url
