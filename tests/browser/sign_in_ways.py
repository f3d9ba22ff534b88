"""The two ways in which people sign in in browser tests: a local password, and an OpenID Connect provider."""

from typing import Protocol

from django.contrib.auth.models import User
from playwright.sync_api import Page
from pytest_django import Settings

from dupdash.accounts import access
from dupdash.accounts.access import Role
from tests.browser.demo_data import DemoData
from tests.browser.support import sign_in
from tests.sign_in.provider import Provider

GROUPS = {
    Role.ADMINISTRATOR: "registrar",
    Role.FACULTY: "CN=Teachers,OU=Biology",
    Role.HELP_DESK: "support",
}
# People of the university who have no account in dupdash. The faculty member teaches BIO101-2026S1 in the sandbox.
NEWCOMERS = {
    Role.ADMINISTRATOR: ("Grace", "Adeyemi", "gadeyemi@example.edu"),
    Role.FACULTY: ("Henry", "Castellanos", "hcastellanos@example.edu"),
    Role.HELP_DESK: ("Harper", "Quinn", "helpdesk@example.edu"),
}


class SignInWay(Protocol):
    def sign_in(self, page: Page, role: Role) -> User:
        """Sign the person with this role in, from the sign-in page. Returns the account."""


class Password:
    def __init__(self, campus: DemoData) -> None:
        self._people = {
            Role.ADMINISTRATOR: campus.administrator,
            Role.FACULTY: campus.faculty,
            Role.HELP_DESK: campus.help_desk,
        }

    def sign_in(self, page: Page, role: Role) -> User:
        person = self._people[role]
        sign_in(page, person.username)
        return person


class SingleSignOn:
    """Nobody has an account before the first sign-in. The role comes from the groups claim of the provider."""

    def __init__(self, provider: Provider, base: str) -> None:
        self._provider = provider
        self._base = base

    def sign_in(self, page: Page, role: Role) -> User:
        first, last, email = NEWCOMERS[role]
        assert not User.objects.filter(email=email).exists()
        self._provider.knows(email, email=email, given_name=first, family_name=last, groups=["staff", GROUPS[role]])
        authorize(page, email)
        page.wait_for_url(f"{self._base}/**")
        person = User.objects.get(email=email)
        assert (person.get_full_name(), access.roles(person)) == (f"{first} {last}", {role})
        return person


def use_single_sign_on(settings: Settings, provider: Provider, base: str) -> None:
    """Make the provider the only way to sign in. Its groups give the roles."""
    settings.OIDC_ISSUER, settings.OIDC_NAME = provider.url, "Campus Login"
    settings.OIDC_ROLE_ADMINISTRATOR = [GROUPS[Role.ADMINISTRATOR]]
    settings.OIDC_ROLE_FACULTY = [GROUPS[Role.FACULTY]]
    settings.OIDC_ROLE_HELP_DESK = [GROUPS[Role.HELP_DESK]]
    settings.LOCAL_PASSWORDS = False
    settings.SITE_URL = base


def authorize(page: Page, sub: str) -> None:
    """Go from the sign-in page to the provider, and sign in there as this person."""
    page.get_by_role("link", name="Sign in with Campus Login").click()
    page.get_by_placeholder("sub").fill(sub)
    page.get_by_role("button", name="Authorize", exact=True).click()
