"""Tests single sign-on in a browser: from a link through the provider's page, keeping the input of a form."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dupdash.sandbox.server import Sandbox
from tests.browser.axe import find_violations
from tests.browser.sign_in_ways import authorize, use_single_sign_on
from tests.browser.support import DESKTOP, PHONE, Scheme, fits, window
from tests.sign_in.identity_provider import Lies, identity_provider
from tests.sign_in.provider import SUB, Provider, provider

pytestmark = [pytest.mark.django_db(transaction=True)]

# Everything that a person can enter in the form, by name. The searches only help to choose.
INPUT = """() => Object.fromEntries([...new FormData(document.querySelector("form.request-form"))].filter(
    ([name]) => !["csrfmiddlewaretoken", "owner", "source_query", "category_query"].includes(name)
))"""


@pytest.fixture
def campus(settings: Settings, live_server: LiveServer) -> Iterator[Provider]:
    """A provider with an account of the person Fay, whose group gives the role Faculty."""
    with provider() as running:
        use_single_sign_on(settings, running, live_server.url)
        running.knows()
        yield running


def test_form_input_survives_the_end_of_a_single_sign_on_session(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox, campus: Provider
) -> None:
    with window(browser, live_server.url) as page:
        page.goto("/jobs/new/")
        assert find_violations(page) == []
        authorize(page, SUB)
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        expect(page.get_by_text("Fay Faculty")).to_be_visible()
        assert User.objects.get().email == "faculty@example.edu"

        page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=10)
        page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
        expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
        page.get_by_label("Full name").fill("Biology for the summer school")
        page.get_by_label("Short name").fill("BIO101-SUMMER")
        page.get_by_label("Filter the categories").press_sequentially("chemistry 2027 1", delay=10)
        page.get_by_role("radio", name="School of Chemistry / 2027 Semester 1").check()
        page.get_by_label("Students can see the copy").uncheck()
        page.get_by_role("switch", name="Blocks").uncheck()
        page.get_by_label("Schedule for later").check()
        page.get_by_label("Start at").fill("2031-03-01T22:30")
        page.get_by_label("Time zone").select_option("Europe/Lisbon")
        page.get_by_role("textbox", name="Note").fill("For the summer school.")
        expect(page.get_by_text("This short name is free.")).to_be_visible()
        typed = page.evaluate(INPUT)
        Session.objects.all().delete()
        page.get_by_role("button", name="Request copy").click()
        expect(page.get_by_text("Your input is kept.")).to_be_visible()
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name=SUB).click()
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        assert page.evaluate(INPUT) == typed
        page.get_by_role("button", name="Request copy").click()
        expect(page.get_by_text("Request received.")).to_be_visible()

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out of dupdash.")).to_be_visible()
        page.get_by_role("link", name="Sign out there, too").click()
        page.wait_for_url(f"{campus.url}/oauth2/end_session**")


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_person_without_a_group_reads_what_to_do(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox, campus: Provider, width: int, scheme: Scheme
) -> None:
    campus.knows(groups=["staff"])
    with window(browser, live_server.url, width=width, scheme=scheme) as page:
        page.goto("/jobs/new/")
        authorize(page, SUB)
        expect(page.get_by_role("heading", name="Your account has no role yet")).to_be_visible()
        expect(page.get_by_text("You are signed in as Fay Faculty (faculty@example.edu).")).to_be_visible()
        assert find_violations(page) == []
        assert fits(page)

        campus.knows()
        page.get_by_role("link", name="Sign in again").click()
        page.get_by_role("button", name=SUB).click()
        page.wait_for_url(f"{live_server.url}/jobs/new/")
        expect(page.get_by_role("heading", name="New copy")).to_be_visible()


def test_faculty_member_signs_in_with_saml_from_another_site(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox, settings: Settings, tmp_path: Path
) -> None:
    """Signing in with SAML works although the browser sends no cookies with the provider's form.

    An answer that comes too late shows a page with a link to try again.
    """
    settings.SAML_NAME, settings.SITE_URL, settings.LOCAL_PASSWORDS = "Campus Login", live_server.url, False
    settings.SAML_ROLE_FACULTY = ["teacher"]
    with identity_provider(tmp_path) as identities, window(browser, live_server.url) as page:
        settings.SAML_METADATA_FILE = str(tmp_path / "metadata.xml")
        identities.lies = Lies(age=timedelta(hours=1))
        page.goto("/jobs/new/")
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name="Sign in as Fay").click()
        expect(page.get_by_text("The sign-in took too long, or the clocks of the servers differ.")).to_be_visible()
        assert find_violations(page) == []

        identities.lies = Lies()
        page.goto("/jobs/new/")
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name="Sign in as Fay").click()
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        expect(page.get_by_text("Fay Faculty")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in with Campus Login")).to_be_visible()
