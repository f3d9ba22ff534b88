"""Tests in a browser the way of a copy from the sign-in to the finished course."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.browser.support import working
from tests.conftest import PASSWORD
from tests.duplication.support import a_job

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def worker() -> Iterator[None]:
    with working():
        yield


def _sign_in(page: Page, live_server: LiveServer, username: str, to: str) -> None:
    page.goto(f"{live_server.url}{to}")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{to}")
    page.wait_for_load_state("networkidle")


def is_trouble(message: ConsoleMessage) -> bool:
    """Return whether a console message is an error. htmx also logs each request that a new page aborts as an error."""
    aborted = message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))
    return message.type == "error" and not aborted


def test_form_leads_to_the_finished_copy(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox, worker: None
) -> None:
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if is_trouble(message) else None)
    _sign_in(page, live_server, "ada", "/jobs/new/")

    page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=20)
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    page.get_by_label("Full name").fill("Introduction to Biology, 2027")
    # The suggested names are filled in, because the person typed none.
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
    page.get_by_label("Short name").fill("")
    page.get_by_label("Short name").press_sequentially("BIO101-2026S1", delay=5)
    expect(page.get_by_text("already has this short name")).to_be_visible()
    page.get_by_label("Short name").fill("BIO101-2027S1")
    expect(page.get_by_text("This short name is free.")).to_be_visible()
    page.get_by_label("Filter the categories").fill("biology 2027")
    page.get_by_role("radio", name="School of Biology / 2027 Semester 1").check()

    roles = page.get_by_role("switch", name="Roles")
    expect(roles).to_be_disabled()
    page.get_by_role("switch", name="People and their work").check()
    expect(roles).to_be_enabled()
    page.get_by_role("switch", name="People and their work").uncheck()
    expect(roles).to_be_disabled()

    # The copy is held in its restore until the page has shown this.
    with sandbox.held_at("renamed"):
        page.get_by_role("button", name="Request copy").click()
        expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f]{32}/$"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Introduction to Biology, 2027")
        restoring = "Moodle is restoring the backup into the new course."
        expect(page.locator("#job-status")).to_contain_text(restoring, timeout=15_000)
        bar = page.get_by_role("progressbar", name="Restore")
        expect(bar).to_have_attribute("aria-valuetext", re.compile("roughly"))
        # A poll must not move the focus.
        page.get_by_role("link", name="Cancel").focus()
        page.wait_for_timeout(2500)
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    expect(page.locator("#job-status")).to_contain_text("The copy is complete.", timeout=15_000)
    expect(page.get_by_role("progressbar", name="The whole copy")).to_have_attribute("aria-valuenow", "100")
    expect(page.get_by_text("all requested sections and activities were copied")).to_be_visible()
    expect(page.get_by_role("link", name="Open in Moodle")).to_be_visible()
    # The job has ended, so the page no longer polls.
    expect(page.locator("#job-status[hx-get]")).to_have_count(0)

    job = DuplicationJob.objects.get()
    assert job.state == State.SUCCEEDED
    assert sandbox.course("BIO101-2027S1").id == job.course_id
    assert sandbox.calls.asked["bio101-2027s1"] == 1
    assert troubles == []


def test_cancelling_is_confirmed_in_a_dialog(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    job = a_job(requester=administrator)
    _sign_in(page, live_server, "ada", f"/jobs/{job.pk}/")
    page.get_by_role("link", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("has not been started. It will not be made.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel the copy").click()
    expect(page.get_by_text("Cancelled. Nothing had been started.")).to_be_visible()
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_copy_is_requested_without_scripts(
    browser: Browser, live_server: LiveServer, faculty: User, sandbox: Sandbox
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    _sign_in(page, live_server, "faculty", "/jobs/new/")
    page.get_by_label("Search for the course to copy").fill("bio101-2026")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    page.get_by_label("Full name").fill("Introduction to Biology, 2027")
    page.get_by_label("Short name").fill("BIO101-2027S1")
    page.get_by_label("Filter the categories").fill("biology 2027")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("radio", name="School of Biology / 2027 Semester 1").check()
    page.get_by_label("Short name").press("Enter")
    expect(page.locator(".state").first).to_contain_text("Awaiting approval")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel the copy").click()
    expect(page.get_by_text("Cancelled. Nothing had been started.")).to_be_visible()
    assert DuplicationJob.objects.get().state == State.CANCELLED
    context.close()
