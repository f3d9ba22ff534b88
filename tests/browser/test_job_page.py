"""Tests the job page in a browser: tab title and icon, notification, hidden tabs, copying the id, undo."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from tests.browser.support import PHONE, fits, window
from tests.browser.test_live_updates import HIDE
from tests.web.support import a_job, a_running_job

pytestmark = [pytest.mark.django_db(transaction=True)]

expect.set_options(timeout=20_000)

# Replaces the browser's notifications, which a headless browser does not show.
RECORD_NOTIFICATIONS = """
    window.shown = [];
    window.Notification = class extends EventTarget {
        static permission = "granted";
        static async requestPermission() { return "granted"; }
        constructor(title) { super(); window.shown.push(title); }
    };
"""


@pytest.fixture
def job(administrator: User) -> DuplicationJob:
    return a_running_job(requester=administrator, expected_backup=500.0, expected_restore=500.0)


def _end(job: DuplicationJob) -> None:
    move_job(job, State.FAILED, kind="failed", reason="Refused.", failure_code="nopermissions")


def _icon(page: Page) -> str:
    return page.locator("#tab-icon").get_attribute("href") or ""


def test_tab_shows_the_state_and_follows_it(
    browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob
) -> None:
    with window(browser, live_server.url, administrator) as page:
        page.goto(f"/jobs/{job.pk}/")
        expect(page).to_have_title(re.compile(r"^Running \d+ %: "))
        assert "tab-running" in _icon(page)
        _end(job)
        expect(page).to_have_title(re.compile("^Failed: .* · dupdash$"))
        assert "tab-failed" in _icon(page)


def test_hidden_tab_polls_rarely_and_shows_the_end(
    browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob
) -> None:
    with window(browser, live_server.url, administrator) as page:
        page.clock.install()
        page.goto(f"/jobs/{job.pk}/")
        page.evaluate(HIDE, True)
        polls: list[str] = []
        page.on("request", lambda request: polls.append(request.url) if "/status/" in request.url else None)
        _end(job)
        page.clock.run_for(8_000)
        assert polls == []
        page.clock.run_for(5_000)
        expect(page).to_have_title(re.compile("^Failed"))
        assert len(polls) == 1


def test_browser_notification_is_shown_at_the_end_on_request(
    browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob
) -> None:
    with window(browser, live_server.url, administrator) as page:
        page.add_init_script(RECORD_NOTIFICATIONS)
        page.goto(f"/jobs/{job.pk}/")
        button = page.get_by_role("button", name="Notify me when it ends")
        button.click()
        expect(page.get_by_role("button", name="You get a notification when it ends")).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="You get a notification when it ends")).to_be_visible()
        _end(job)
        expect(page.locator("#notify")).to_have_count(0)
        (shown,) = page.evaluate("window.shown")
        assert shown.startswith("Failed: ")


def test_copy_button_copies_the_id(
    browser: Browser, live_server: LiveServer, administrator: User, job: DuplicationJob
) -> None:
    permissions = {"permissions": ["clipboard-read", "clipboard-write"]}
    with window(browser, live_server.url, administrator, **permissions) as page:
        page.goto(f"/jobs/{job.pk}/")
        page.get_by_role("button", name="Copy the job id").click()
        expect(page.get_by_text("Copied.")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == job.pk


def test_notice_of_a_request_disappears_when_the_copy_goes_on(
    browser: Browser, live_server: LiveServer, administrator: User
) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=administrator)
    with window(browser, live_server.url, administrator) as page:
        page.goto(f"/jobs/{job.pk}/edit/")
        page.goto(f"/jobs/{job.pk}/approve/")
        page.get_by_role("button", name="Approve").click()
        notice = page.get_by_text("is approved.")
        expect(notice.first).to_be_visible()
        job.refresh_from_db()
        move_job(job, State.RUNNING, kind="started", reason="A worker claimed the job.")
        expect(page.locator("#job-status .state")).to_have_text("Running")
        expect(page.locator("#page-messages")).to_be_hidden()


def test_approval_is_undone_from_the_list(browser: Browser, live_server: LiveServer, administrator: User) -> None:
    job = a_job(State.AWAITING_APPROVAL)
    with window(browser, live_server.url, administrator) as page:
        page.goto("/approvals/")
        page.get_by_role("button", name="Approve NEW-1").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("waits for approval again.")).to_be_visible()
        expect(page.get_by_role("button", name="Approve NEW-1")).to_be_visible()
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL


def test_undo_button_disappears_when_it_is_too_late(
    browser: Browser, live_server: LiveServer, administrator: User
) -> None:
    a_job(State.AWAITING_APPROVAL)
    with window(browser, live_server.url, administrator) as page:
        page.clock.install()
        page.goto("/approvals/")
        page.get_by_role("button", name="Approve NEW-1").click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.clock.fast_forward(11_000)
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
        expect(page.get_by_text("is approved.")).to_be_visible()


def test_slash_key_opens_the_search_from_any_page(
    browser: Browser, live_server: LiveServer, administrator: User
) -> None:
    with window(browser, live_server.url, administrator) as page:
        page.goto("/insights/")
        page.keyboard.press("/")
        expect(page).to_have_url(f"{live_server.url}/jobs/#search")
        search = page.get_by_role("searchbox", name="Search")
        expect(search).to_be_focused()
        # In a text field the key types a character.
        page.keyboard.press("/")
        expect(search).to_have_value("/")


@pytest.mark.parametrize("state", [State.FAILED, State.QUEUED, State.SUCCEEDED])
def test_long_unbroken_names_wrap_on_a_phone(
    browser: Browser, live_server: LiveServer, administrator: User, state: State
) -> None:
    long = "W" * 95
    job = a_job(
        state, long, fullname=long * 2, source_shortname=long, finished_at=timezone.now(), requester=administrator
    )
    waits = a_job(State.AWAITING_APPROVAL, f"{long}2", fullname=long * 2, created_at=timezone.now() - timedelta(days=1))
    with window(browser, live_server.url, administrator, width=PHONE) as page:
        for address in (f"/jobs/{job.pk}/", "/jobs/", "/", "/approvals/", f"/jobs/{waits.pk}/edit/"):
            page.goto(address)
            assert fits(page), address


def test_failed_job_shows_cause_and_advice_on_the_first_screen_of_a_phone(
    browser: Browser, live_server: LiveServer, administrator: User
) -> None:
    job = a_running_job(State.FAILED, failure_code="nopermissions", finished_at=timezone.now())
    with window(browser, live_server.url, administrator, width=PHONE) as page:
        page.goto(f"/jobs/{job.pk}/")
        expect(page.get_by_text("may not copy this course, or not into this category").first).to_be_in_viewport()
        expect(page.get_by_text("What to do:").first).to_be_in_viewport()
