"""Tests a rollover in a browser: a list is uploaded, corrected, started, retried and undone."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.course_dates import day_of
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from dupdash.rollover import tasks
from dupdash.sandbox.server import Sandbox
from tests.browser import axe
from tests.browser.support import DESKTOP, HEIGHTS, fits, go_to, window, working
from tests.rollover.files import HEADINGS

pytestmark = [pytest.mark.django_db(transaction=True)]

# This phone has a wider screen than the phone of the other tests.
PHONE = 390
HEIGHTS.setdefault(PHONE, 844)
expect.set_options(timeout=20_000)


def assert_accessible(page: Page, name: str, width: int) -> None:
    """Assert that the page does not scroll sideways and that axe finds no violation."""
    assert fits(page), f"{name} is wider than {width}"
    assert axe.find_violations(page) == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_rollover_from_a_file_to_the_undo(
    width: int,
    browser: Browser,
    live_server: LiveServer,
    administrator: User,
    sandbox: Sandbox,
    tmp_path: Path,
    settings: Settings,
) -> None:
    file = tmp_path / "Term 2027.csv"
    file.write_text(
        f"{HEADINGS}\nBIO101-2026S1,Introduction to Biology (2027 S1),BIO101-2027S1,8\n"
        "AT&T,AT&T (2027),ATT-2027,8\n7,Biology for Chemists,BIO-CHEM-2027,4711\nNOPE,Nothing,NOTHING-2027,8\n"
    )
    with window(browser, live_server.url, administrator, width=width) as page:
        page.goto("/")
        go_to(page, "Rollover")
        expect(page.get_by_role("link", name="From a file")).to_be_visible()
        assert_accessible(page, "empty", width)
        page.get_by_role("link", name="From a file").click()
        expect(page.get_by_label("File")).to_be_visible()
        assert_accessible(page, "upload", width)
        page.get_by_label("File").set_input_files(file)
        page.get_by_role("button", name="Check the list").click()
        expect(page.get_by_role("progressbar", name="Rows checked")).to_be_visible()
        assert_accessible(page, "checking", width)
        tasks.continue_work()
        # The page notices the end of the check without a reload.
        expect(page.get_by_text("Moodle has no category “4711”.")).to_be_visible()
        assert_accessible(page, "errors", width)
        expect(page.get_by_role("button", name="Start 4 copies")).to_be_disabled()

        page.get_by_role("link", name="Correct row 4").click()
        expect(page.get_by_role("button", name="Save and check")).to_be_visible()
        assert_accessible(page, "row", width)
        page.get_by_label("Category").fill("8")
        page.get_by_role("button", name="Save and check").click()
        expect(page.get_by_role("heading", name="4 rows selected, 1 with errors")).to_be_visible()
        page.get_by_role("button", name="Exclude row 5").click()
        expect(page.get_by_role("heading", name="3 rows selected")).to_be_visible()
        page.get_by_role("link", name="All", exact=False).first.click()
        expect(page.get_by_role("link", name="All", exact=False).first).to_have_attribute("aria-current", "page")
        assert_accessible(page, "preview", width)

        page.get_by_role("button", name="Start 3 copies").click()
        expect(page.get_by_role("heading", name="Checking once more before the start")).to_be_visible()
        tasks.continue_work()
        expect(page.get_by_text("0 of 3 ended")).to_be_visible()
        assert_accessible(page, "batch", width)
        # Another course gets one of the short names before its copy begins.
        in_the_way = sandbox.state.add(shortname="BIO-CHEM-2027", fullname="In the way", categoryid=2, origin="created")
        settings.REDISPATCH_AFTER = 0.001
        with working():
            dispatch.redispatch_stale()
            expect(page.get_by_text("All copies have ended.")).to_be_visible()
            assert_accessible(page, "ended", width)
            failed = DuplicationJob.objects.filter(state=State.FAILED)
            assert failed.count() == 1
            sandbox.state.delete(in_the_way.id)
            page.get_by_role("button", name="Try the failed ones again").click()
            expect(page.get_by_text("1 failed copy is being tried again.")).to_be_visible()
            expect(page.get_by_text("All copies have ended.")).to_be_visible()
        assert sandbox.course("BIO-CHEM-2027")
        with page.expect_download() as download:
            page.get_by_role("link", name="Results as CSV").click()
        assert Path(download.value.path()).read_text(encoding="utf-8-sig").count("Succeeded") == 3

        page.get_by_role("button", name="Undo the batch").click()
        expect(page.get_by_role("heading", name="Checking the copies")).to_be_visible()
        tasks.continue_work()
        expect(page.get_by_role("heading", name="Delete 3 copies?")).to_be_visible()
        assert_accessible(page, "undo", width)
        page.get_by_role("button", name="Delete 3 copies").click()
        tasks.continue_work()
        expect(page.get_by_role("heading", name="Deleted: 3")).to_be_visible()
        assert not sandbox.state.by_shortname("BIO-CHEM-2027")


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_rollover_from_a_category(
    width: int, browser: Browser, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    MoodleHealth.current()
    MoodleHealth.objects.update(may_update=True)
    source = sandbox.course("BIO101-2026S1")
    with window(browser, live_server.url, administrator, width=width) as page:
        page.goto("/rollover/")
        page.get_by_role("link", name="From Moodle").click()
        page.get_by_label("Category and its subcategories").select_option(
            label="Faculty of Science / School of Biology / 2026 Semester 1"
        )
        page.get_by_role("button", name="List the courses").click()
        expect(page.get_by_role("checkbox", name="BIO101-2026S1")).to_be_checked()
        assert_accessible(page, "courses", width)
        page.get_by_label("All courses").uncheck()
        page.get_by_role("checkbox", name="BIO101-2026S1").check()
        expect(page.get_by_label("Weeks later", exact=True)).to_be_hidden()
        page.get_by_label("A number of weeks later").check()
        expect(page.get_by_label("Weeks later", exact=True)).to_have_value("52")
        page.get_by_label("The next category after the source’s own, below the same parent").check()
        page.get_by_role("button", name="Check the list").click()
        tasks.continue_work()
        expect(page.get_by_role("button", name="Start 1 copy")).to_be_enabled()
        expect(page.get_by_text("BIO101-2027S1")).to_be_visible()
        page.get_by_label("Hide the sources").check()
        page.get_by_role("button", name="Start 1 copy").click()
        with working():
            tasks.continue_work()
            expect(page.get_by_text("All copies have ended.")).to_be_visible()
        tasks.continue_work()
        # The page notices this without a reload.
        expect(page.get_by_text("1 source was hidden.")).to_be_visible()
    copy = sandbox.course("BIO101-2027S1")
    assert copy.categoryid == 7
    assert day_of(copy.startdate) == (day_of(source.startdate) or date.min) + timedelta(weeks=52)
    assert not sandbox.course("BIO101-2026S1").visible
