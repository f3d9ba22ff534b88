"""Tests requesting, approving and cancelling a copy in a browser without scripts."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.browser.support import DESKTOP, PHONE, Scheme, fits, window

pytestmark = [pytest.mark.django_db(transaction=True)]

WINDOWS = pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])


@pytest.fixture
def pages(
    browser: Browser,
    live_server: LiveServer,
    sandbox: Sandbox,
    faculty: User,
    administrator: User,
    width: int,
    scheme: Scheme,
) -> Iterator[tuple[Page, Page]]:
    """The windows of the requester and of the administrator."""
    sight = {"width": width, "scheme": scheme, "java_script_enabled": False}
    with (
        window(browser, live_server.url, faculty, **sight) as asking,
        window(browser, live_server.url, administrator, **sight) as deciding,
    ):
        yield asking, deciding


def _ask(page: Page, shortname: str) -> None:
    page.goto("/jobs/new/")
    page.get_by_label("Search for the course to copy").fill("bio101-2026")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    page.get_by_label("Full name").fill("Introduction to Biology, 2027")
    page.get_by_label("Short name").fill(shortname)
    page.get_by_label("Filter the categories").fill("biology 2027")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("radio", name="School of Biology / 2027 Semester 1").check()
    page.get_by_role("button", name="Request copy").click()


@WINDOWS
def test_copy_is_requested_approved_and_cancelled(pages: tuple[Page, Page]) -> None:
    asking, deciding = pages
    # After invalid input the form keeps everything that was typed.
    _ask(asking, "BIO101-2026S1")
    expect(asking.get_by_text("Please fix the fields below")).to_be_visible()
    expect(asking.get_by_label("Full name")).to_have_value("Introduction to Biology, 2027")
    expect(asking.get_by_role("radio", name="Introduction to Biology BIO101-2026S1")).to_be_checked()
    asking.get_by_label("Short name").fill("BIO101-2027S1")
    asking.get_by_label("Short name").press("Enter")
    expect(asking.locator(".state").first).to_have_text("Awaiting approval")
    job = DuplicationJob.objects.get()

    deciding.goto(f"/jobs/{job.pk}/")
    deciding.get_by_role("link", name="Approve", exact=True).click()
    deciding.get_by_role("button", name="Approve", exact=True).click()
    expect(deciding.locator(".state").first).to_have_text("Queued")

    asking.reload()
    asking.get_by_role("link", name="Cancel").click()
    expect(asking.get_by_role("heading", level=1)).to_have_text("Cancel this copy?")
    asking.get_by_role("button", name="Cancel the copy").click()
    expect(asking.get_by_text("Nothing had been started.")).to_be_visible()
    assert fits(asking)
    assert fits(deciding)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert list(job.events.values_list("kind", flat=True)) == ["submitted", "approved", "cancelled"]
