"""Tests single sign-on in a browser: from a link through the provider's page, keeping the input of a form."""

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
from tests.browser.support import window
from tests.sign_in.identity_provider import Lies, identity_provider
from tests.sign_in.provider import SUB, provider

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_form_input_survives_the_end_of_a_single_sign_on_session(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox, settings: Settings
) -> None:
    settings.OIDC_NAME = "Campus Login"
    settings.OIDC_ROLE_FACULTY = ["CN=Teachers,OU=Biology"]
    settings.LOCAL_PASSWORDS = False
    settings.SITE_URL = live_server.url
    with provider() as campus, window(browser, live_server.url) as page:
        settings.OIDC_ISSUER = campus.url
        campus.knows()
        page.goto("/jobs/new/")
        assert find_violations(page) == []
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_placeholder("sub").fill(SUB)
        page.get_by_role("button", name="Authorize", exact=True).click()
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        expect(page.get_by_text("Fay Faculty")).to_be_visible()
        assert User.objects.get().email == "faculty@example.edu"

        page.get_by_role("textbox", name="Note").fill("For the summer school.")
        Session.objects.all().delete()
        page.get_by_role("button", name="Request copy").click()
        expect(page.get_by_text("Your input is kept.")).to_be_visible()
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name=SUB).click()
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        expect(page.get_by_role("textbox", name="Note")).to_have_value("For the summer school.")

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out of dupdash.")).to_be_visible()
        page.get_by_role("link", name="Sign out there, too").click()
        page.wait_for_url(f"{campus.url}/oauth2/end_session**")


def test_faculty_member_signs_in_with_saml_from_another_site(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox, settings: Settings, tmp_path: Path
) -> None:
    """Signing in with SAML works although the browser sends no cookies with the provider's form.

    An answer that comes too late shows a page with a link to try again.
    """
    settings.SAML_NAME, settings.SITE_URL, settings.LOCAL_PASSWORDS = "Campus Login", live_server.url, False
    settings.SAML_ROLE_FACULTY = ["teacher"]
    with identity_provider(tmp_path) as campus, window(browser, live_server.url) as page:
        settings.SAML_METADATA_FILE = str(tmp_path / "metadata.xml")
        campus.lies = Lies(age=timedelta(hours=1))
        page.goto("/jobs/new/")
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name="Sign in as Fay").click()
        expect(page.get_by_text("It took too long, or the clocks of the servers differ.")).to_be_visible()
        assert find_violations(page) == []

        campus.lies = Lies()
        page.goto("/jobs/new/")
        page.get_by_role("link", name="Sign in with Campus Login").click()
        page.get_by_role("button", name="Sign in as Fay").click()
        page.wait_for_url(f"{live_server.url}/jobs/new/**")
        expect(page.get_by_text("Fay Faculty")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in with Campus Login")).to_be_visible()
