"""Tests a typical day of each role in a browser: on a desktop in light colours, on a phone in dark colours.

On the desktop people sign in with a local password, on the phone with single sign-on.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dupdash.accounts.access import Role
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue.dispatch import dispatch
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.browser.demo_data import DemoData, open_demo_data
from tests.browser.sign_in_ways import Password, SignInWay, SingleSignOn, use_single_sign_on
from tests.browser.support import DESKTOP, PHONE, Scheme, fits, go_to, window, working
from tests.duplication.support import evidence_json
from tests.sign_in.provider import provider

pytestmark = [pytest.mark.django_db(transaction=True)]

expect.set_options(timeout=20_000)

WINDOWS = pytest.mark.parametrize(
    ("width", "scheme", "way"),
    [(DESKTOP, "light", "password"), (PHONE, "dark", "single-sign-on")],
    indirect=["way"],
)
FULLNAME = "Biology for the summer school"


@pytest.fixture
def campus(sandbox: Sandbox, transactional_db: None) -> DemoData:
    campus = open_demo_data(sandbox, past=12)
    # The unfinished jobs of the example data do not exist in the sandbox, and would occupy slots.
    busy = DuplicationJob.objects.busy()
    busy.update(state=State.CANCELLED)
    DuplicationJob.objects.filter(state=State.QUEUED).update(state=State.CANCELLED)
    return campus


@pytest.fixture
def way(
    request: pytest.FixtureRequest, campus: DemoData, live_server: LiveServer, settings: Settings
) -> Iterator[SignInWay]:
    """The way to sign in that the parameter names."""
    if request.param == "password":
        yield Password(campus)
        return
    with provider() as running:
        use_single_sign_on(settings, running, live_server.url)
        yield SingleSignOn(running, live_server.url)


@pytest.fixture
def worker(transactional_db: None, settings: Settings) -> Iterator[None]:
    """A worker that checks Moodle more often than usual, because the test itself decides when copies continue."""
    settings.WATCH_INTERVAL = settings.FOLLOW_INTERVAL = 0.2
    with working():
        yield


def _state(page: Page, word: str) -> None:
    expect(page.locator("#job-status .state")).to_have_text(word)


@WINDOWS
def test_faculty_request_and_get_a_copy(
    browser: Browser,
    live_server: LiveServer,
    campus: DemoData,
    sandbox: Sandbox,
    worker: None,
    width: int,
    scheme: Scheme,
    way: SignInWay,
) -> None:
    """Faculty request a copy, an administrator approves it, Moodle makes it, and both see the result."""
    night: Scheme = "dark" if scheme == "light" else "light"
    with (
        window(browser, live_server.url, width=width, scheme=scheme) as page,
        window(browser, live_server.url, width=width, scheme=night) as other,
    ):
        page.goto("/")
        requester = way.sign_in(page, Role.FACULTY)
        expect(page).to_have_url(f"{live_server.url}/")
        go_to(page, "New copy")
        page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=10)
        page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
        page.get_by_label("Full name").fill(FULLNAME)
        page.get_by_label("Short name").fill("BIO101-SUMMER")
        expect(page.get_by_text("This short name is free.")).to_be_visible()
        expect(page.get_by_label("2027 Semester 1").first).to_be_checked()
        page.get_by_label("Note").fill("For the summer school.")
        assert fits(page)
        page.get_by_role("button", name="Request copy").click()
        # This course was already copied to this term: the form asks first.
        page.get_by_label("Make another copy").check()
        page.get_by_role("button", name="Request copy").click()
        _state(page, "Awaiting approval")

        # The administrator finds the request on the overview and decides.
        other.goto("/")
        way.sign_in(other, Role.ADMINISTRATOR)
        expect(other.get_by_role("region", name="Needs attention").get_by_role("link", name=FULLNAME)).to_be_visible()
        go_to(other, "Approvals")
        expect(other.get_by_text("For the summer school.").first).to_be_visible()
        with sandbox.held_at("renamed"):
            with sandbox.held_at("backup"):
                # One click approves. The copy starts when the approval can no longer be undone.
                other.get_by_role("button", name="Approve BIO101-SUMMER").click()
                expect(other.get_by_text("is approved.")).to_be_visible()
                expect(other.get_by_role("button", name="Undo")).to_be_visible()
                # The requester's page shows the decision without a reload.
                _state(page, "Queued")
                DuplicationJob.objects.filter(shortname="BIO101-SUMMER").update(undo_until=None)
                dispatch()
                other.goto(page.url)
                _state(other, "Running")
                expect(other.locator("#job-status")).to_contain_text("Moodle is backing up the source.")
                expect(page.locator("#job-status")).to_contain_text("Moodle is backing up the source.")
                sandbox.wait_for_step("backup")
            expect(page.locator("#job-status")).to_contain_text("Moodle is restoring the backup into the new course.")
            assert fits(page)
        for one in (page, other):
            _state(one, "Succeeded")
            expect(one.get_by_role("link", name="Open in Moodle")).to_be_visible()
        go_to(page, "Copies")
        expect(page.get_by_role("link", name=FULLNAME)).to_be_visible()
    job = DuplicationJob.objects.get(shortname="BIO101-SUMMER")
    assert (job.state, job.requester) == (State.SUCCEEDED, requester)
    assert sandbox.calls.asked["bio101-summer"] == 1


@WINDOWS
def test_help_desk_finds_a_copy_and_its_failure(
    browser: Browser,
    live_server: LiveServer,
    campus: DemoData,
    sandbox: Sandbox,
    width: int,
    scheme: Scheme,
    way: SignInWay,
) -> None:
    failed, done = campus.jobs["failed"], campus.jobs["succeeded"]
    with window(browser, live_server.url, width=width, scheme=scheme) as page:
        page.goto("/")
        way.sign_in(page, Role.HELP_DESK)
        expect(page).to_have_url(f"{live_server.url}/")
        menu = page.get_by_role("navigation", name="Main")
        expect(menu.get_by_role("link", name="New copy")).to_have_count(0)
        go_to(page, "Copies")
        # A person on the telephone knows only a part of the course's name and their own name.
        search = page.get_by_role("search").get_by_label("Search")
        search.fill(f"faith {done.shortname}")
        search.press("Enter")
        expect(page).to_have_url(re.compile("q=faith"))
        expect(page.get_by_role("heading", name="1 copy matches")).to_be_visible()
        page.get_by_role("link", name=done.fullname).click()
        _state(page, "Succeeded")
        expect(page.get_by_text("Verified: all requested sections and activities were copied")).to_be_visible()

        page.go_back()
        expect(search).to_have_value(f"faith {done.shortname}")
        search.fill("permissions restore")
        search.press("Enter")
        expect(page).to_have_url(re.compile("permissions"))
        page.get_by_role("link", name=failed.fullname).first.click()
        _state(page, "Failed")
        # The page says what happened, what it means and what to do. Moodle's own message is one click away.
        expect(page.get_by_text("may not copy this course, or not into this category").first).to_be_visible()
        expect(page.get_by_text("What to do:").first).to_be_visible()
        words = page.get_by_role("region", name="Moodle’s error message")
        expect(words).to_be_hidden()
        page.get_by_text("Moodle’s error message").click()
        expect(words).to_contain_text("nopermissions")
        expect(words).to_contain_text("you do not currently have permissions")
        expect(page.get_by_role("link", name="Cancel")).to_have_count(0)
        assert fits(page)


@WINDOWS
def test_administrator_cleans_up_after_failures(
    browser: Browser,
    live_server: LiveServer,
    campus: DemoData,
    sandbox: Sandbox,
    worker: None,
    width: int,
    scheme: Scheme,
    way: SignInWay,
) -> None:
    partial, lost = campus.jobs["partial"], campus.jobs["unresolved"]
    left = sandbox.state.add(
        shortname=f"{partial.source_shortname}_1",
        fullname=f"{partial.source_fullname} copy 1",
        categoryid=partial.category_id,
        origin="copy",
    )
    facts = evidence_json({**(partial.own_course or {}), "id": left.id}, own=left.id)
    DuplicationJob.objects.filter(pk=partial.pk).update(course_id=left.id, evidence=facts)
    with window(browser, live_server.url, width=width, scheme=scheme) as page:
        page.goto("/")
        way.sign_in(page, Role.ADMINISTRATOR)
        attention = page.get_by_role("region", name="Needs attention")

        # The page names the partial course, and deletes it after a confirmation.
        attention.get_by_role("link", name=partial.fullname).first.click()
        expect(page.get_by_role("heading", name="A partial course is in Moodle")).to_be_visible()
        page.get_by_role("link", name="Delete the partial course").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"Course {left.id}")
        dialog.get_by_role("button", name="Keep the course").click()
        expect(dialog).to_be_hidden()
        assert sandbox.state.course(left.id)
        page.get_by_role("link", name="Delete the partial course").click()
        dialog.get_by_role("button", name="Delete in Moodle").click()
        expect(page.get_by_text("The partial course was deleted in Moodle.")).to_be_visible()
        assert sandbox.state.course(left.id) is None

        # There is no proof whether a copy was made, so the administrator records the result.
        page.goto("/")
        attention.get_by_role("link", name=lost.fullname).first.click()
        _state(page, "Unresolved")
        page.get_by_role("link", name="Record the result").click()
        page.get_by_label("No copy was made").check()
        page.get_by_label("Evidence").fill("Looked through the whole category.")
        page.get_by_role("button", name="Save the result").click()
        _state(page, "Failed")
        expect(page.get_by_text("Looked through the whole category.").first).to_be_visible()

        # A running copy cannot be stopped, but it will be deleted.
        with sandbox.held_at("renamed"):
            _ask_for_a_copy(page)
            expect(page.locator("#job-status")).to_contain_text("Moodle is restoring the backup into the new course.")
            page.get_by_role("link", name="Cancel").click()
            page.get_by_role("button", name="Cancel and delete the copy").click()
            expect(page.locator("#job-status")).to_contain_text("dupdash deletes the copy when Moodle has finished it")
        _state(page, "Cancelled")
        assert fits(page)
    assert not sandbox.state.by_shortname("BIO101-SUMMER")


def _ask_for_a_copy(page: Page) -> None:
    go_to(page, "New copy")
    page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=10)
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    page.get_by_label("Full name").fill(FULLNAME)
    page.get_by_label("Short name").fill("BIO101-SUMMER")
    expect(page.get_by_label("2027 Semester 1").first).to_be_checked()
    page.get_by_role("button", name="Request copy").click()
    # This course was already copied to this term: the form asks first.
    page.get_by_label("Make another copy").check()
    page.get_by_role("button", name="Request copy").click()
