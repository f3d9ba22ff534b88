"""Tests that a copy can be requested with the keyboard alone, from the sign-in to the result."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.models import DuplicationJob
from dupdash.sandbox.server import Sandbox
from tests.browser.support import window
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True)]

# No element of a page needs this many presses of Tab.
STOPS = 120


def _tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the element has the focus. At each step the focus must be visible."""
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            outline = wanted.evaluate("(e) => { const s = getComputedStyle(e); return s.outlineStyle + s.boxShadow }")
            assert outline != "nonenone", "the focus cannot be seen"
            expect(wanted).to_be_in_viewport()
            return
    raise AssertionError(f"{STOPS} stops did not lead to {wanted}")


def test_copy_is_requested_by_keyboard_alone(
    browser: Browser, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    with window(browser, live_server.url) as page:
        page.goto("/")
        _tab_to(page, page.get_by_label("Username"))
        page.keyboard.type("ada")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        # The link that skips the navigation.
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        _tab_to(page, page.get_by_role("navigation").get_by_role("link", name="New copy"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("New copy")

        expect(page.get_by_label("Search for the course to copy")).to_be_focused()
        page.keyboard.type("bio101-2026")
        found = page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1")
        expect(found).to_be_visible()
        page.keyboard.press("ArrowDown")
        expect(found).to_be_focused()
        page.keyboard.press("Space")
        expect(found).to_be_checked()
        _tab_to(page, page.get_by_label("Full name"))
        page.keyboard.press("Control+a")
        page.keyboard.type("Introduction to Biology, 2027")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Short name")).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.type("BIO101-2027S1")
        expect(page.get_by_text("This short name is free.")).to_be_visible()

        # From the filter, Tab reaches the categories that it finds.
        page.keyboard.press("Tab")
        expect(page.get_by_label("Filter the categories")).to_be_focused()
        page.keyboard.type("biology 2026 2")
        other = page.get_by_role("radio", name="School of Biology / 2026 Semester 2")
        expect(other).to_be_visible()
        for _ in range(STOPS):
            page.keyboard.press("ArrowDown")
            if other.is_checked():
                break
        expect(other).to_be_checked()
        hidden = page.get_by_role("switch", name="Blocks")
        _tab_to(page, hidden)
        page.keyboard.press("Space")
        expect(hidden).not_to_be_checked()
        _tab_to(page, page.get_by_role("button", name="Request copy").last)
        page.keyboard.press("Enter")
        expect(page.locator("#job-status .state")).to_have_text("Queued")
        job = DuplicationJob.objects.get()

        # A dialog gets the focus when it opens, and returns the focus when it closes.
        cancel = page.get_by_role("link", name="Cancel")
        _tab_to(page, cancel)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(cancel).to_be_focused()
    assert (job.source_shortname, job.shortname, job.options["blocks"]) == ("BIO101-2026S1", "BIO101-2027S1", False)
