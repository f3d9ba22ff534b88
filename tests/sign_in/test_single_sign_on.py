"""Tests single sign-on with OpenID Connect, with a real provider."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dupdash.accounts import access
from dupdash.accounts.access import Role
from dupdash.duplication.moodle_clients import open_client
from dupdash.sandbox.server import Sandbox
from dupdash.web.kept_form import owner_mark
from tests.conftest import PASSWORD, make_person
from tests.sign_in.provider import SUB, Provider
from tests.web.support import form

pytestmark = pytest.mark.django_db


@pytest.fixture
def mapping(settings: Settings) -> None:
    settings.OIDC_ROLE_FACULTY = ["CN=Teachers,OU=Biology"]
    settings.OIDC_ROLE_ADMINISTRATOR = ["registrar"]
    settings.OIDC_ROLE_HELP_DESK = ["support", "desk"]


def roles(person: User) -> set[Role]:
    return set(access.roles(User.objects.get(pk=person.pk)))


def test_account_is_made_at_the_first_sign_in(client: Client, provider: Provider, mapping: None) -> None:
    answer = provider.sign_in(client, "/jobs/")
    assert (answer.status_code, answer["Location"]) == (302, "/jobs/")
    person = User.objects.get()
    assert (person.username, person.email, person.get_full_name()) == (
        "faculty@example.edu",
        "faculty@example.edu",
        "Fay Faculty",
    )
    assert not person.has_usable_password()
    assert roles(person) == {Role.FACULTY}
    assert client.get("/jobs/").status_code == 200
    link = SocialAccount.objects.get()
    assert (link.user, link.uid, link.extra_data) == (person, SUB, {})


def test_second_sign_in_uses_the_same_account(client: Client, provider: Provider, mapping: None) -> None:
    provider.sign_in(client)
    provider.knows(groups=["support"], email="new@example.edu", family_name="Married")
    provider.sign_in(Client())
    person = User.objects.get()
    assert (person.email, person.last_name) == ("new@example.edu", "Married")
    assert roles(person) == {Role.HELP_DESK}


def test_account_is_the_moodle_person_with_the_same_email_address(
    client: Client, provider: Provider, mapping: None, sandbox: Sandbox
) -> None:
    provider.sign_in(client)
    person = User.objects.get()
    with open_client() as moodle:
        assert access.moodle_user_id(person, moodle) == 4


def test_local_account_with_the_same_email_address_is_used(client: Client, provider: Provider, faculty: User) -> None:
    provider.sign_in(client)
    assert User.objects.get() == faculty
    # No group is mapped to a role, so the roles that an administrator assigned are kept.
    assert roles(faculty) == {Role.FACULTY}
    assert faculty.check_password(PASSWORD)


def test_roles_are_taken_away_with_the_groups(client: Client, provider: Provider, mapping: None) -> None:
    person = make_person("faculty", Role.ADMINISTRATOR)
    provider.knows(groups=[])
    provider.sign_in(client)
    assert roles(person) == set()
    answer = client.get("/jobs/?q=a&sort=-age")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "dupdash takes your role from your groups at Campus Login" in page
    assert 'href="/sign-in/sso/?next=%2Fjobs%2F%3Fq%3Da%26sort%3D-age"' in page


def test_account_without_a_role_waits_for_an_administrator(client: Client, provider: Provider) -> None:
    """The settings map no group to a role, so a new account has none."""
    provider.sign_in(client)
    page = client.get("/jobs/").content.decode()
    assert "Nobody has given your account a role." in page
    assert '<a class="button" href="/jobs/">Open the page again</a>' in page


@pytest.mark.parametrize(
    ("claim", "claims", "expected"),
    [
        ("groups", {"groups": "desk"}, {Role.HELP_DESK}),
        ("groups", {"groups": ["desk", "registrar", 7, None]}, {Role.HELP_DESK, Role.ADMINISTRATOR}),
        ("groups", {"groups": {"desk": True}}, set()),
        ("groups", {"groups": None}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["desk"]}}, {Role.HELP_DESK}),
        ("https://example.edu/groups", {"https://example.edu/groups": ["desk"]}, {Role.HELP_DESK}),
    ],
)
def test_roles_follow_the_groups_claim(
    client: Client, provider: Provider, mapping: None, settings: Settings, claim: str, claims: Any, expected: set[Role]
) -> None:
    settings.OIDC_GROUPS_CLAIM = claim
    provider.knows(**({"groups": []} | claims))
    provider.sign_in(client)
    assert roles(User.objects.get()) == expected


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email": "nonsense"},
        {"email": None},
        {"email": f"{'x' * 160}@example.edu"},
        {"email": "a\nb@example.edu"},
    ],
)
def test_email_address_that_is_not_verified_opens_no_account(
    client: Client, provider: Provider, administrator: User, claims: dict[str, Any]
) -> None:
    provider.knows(**({"email": "ada@example.edu"} | claims))
    answer = provider.sign_in(client)
    assert answer.status_code == 403
    assert "You cannot sign in." in answer.content.decode()
    assert client.get("/").status_code == 302
    assert not SocialAccount.objects.exists()


def test_email_address_without_the_verified_claim_is_accepted_by_a_setting_only(
    client: Client, provider: Provider, settings: Settings
) -> None:
    settings.OIDC_TRUST_EMAIL = True
    provider.knows(email_verified=None)
    assert provider.sign_in(client).status_code == 302
    provider.knows("other", email="other@example.edu", email_verified=False)
    assert provider.sign_in(Client(), sub="other").status_code == 403


def test_inactive_account_cannot_sign_in(client: Client, provider: Provider, faculty: User) -> None:
    User.objects.filter(pk=faculty.pk).update(is_active=False)
    answer = provider.sign_in(client)
    assert answer.status_code == 403
    assert "is inactive" in answer.content.decode()
    assert client.get("/").status_code == 302


def test_sign_in_with_an_ambiguous_email_address_is_refused(client: Client, provider: Provider, faculty: User) -> None:
    User.objects.create_user("twin", "Faculty@example.edu")
    assert "Several accounts" in provider.sign_in(client).content.decode()


def test_name_chosen_at_the_provider_is_not_used_as_username(client: Client, provider: Provider) -> None:
    provider.knows(preferred_username="admin")
    provider.sign_in(client)
    assert User.objects.get().username == "faculty@example.edu"


def test_username_that_somebody_else_has_is_not_taken_over(client: Client, provider: Provider) -> None:
    User.objects.create_user("faculty@example.edu", "else@example.edu")
    assert provider.sign_in(client).status_code == 403
    assert User.objects.count() == 1


def test_answer_to_another_browser_signs_nobody_in(client: Client, provider: Provider) -> None:
    back = urlsplit(provider.authorize(client.get("/sign-in/sso/")["Location"]))
    victim = Client()
    answer = victim.get(f"{back.path}?{back.query}")
    assert answer.status_code == 403
    assert victim.get("/").status_code == 302


def test_answer_is_used_once(client: Client, provider: Provider) -> None:
    back = urlsplit(provider.authorize(client.get("/sign-in/sso/")["Location"]))
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    client.post("/sign-out/")
    assert client.get(f"{back.path}?{back.query}").status_code == 403
    assert client.get("/").status_code == 302


def test_request_to_the_provider_has_state_and_pkce_and_no_secret(client: Client, provider: Provider) -> None:
    query = parse_qs(urlsplit(client.get("/sign-in/sso/?process=connect&scope=admin")["Location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["state"]
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert query["redirect_uri"] == ["http://testserver/sign-in/sso/callback/"]
    assert "only-for-tests" not in str(query)


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_sign_in_does_not_redirect_to_another_site(client: Client, provider: Provider, wanted: str) -> None:
    assert provider.sign_in(client, wanted)["Location"] == "/"


def test_person_who_cancels_comes_back_to_the_sign_in(client: Client, provider: Provider) -> None:
    start = client.get("/sign-in/sso/")
    back = urlsplit(provider.authorize(start["Location"], action="deny"))
    assert client.get(f"{back.path}?{back.query}")["Location"] == "/sign-in/"


def test_unreachable_provider_shows_a_page(client: Client, db: None, settings: Settings) -> None:
    settings.OIDC_ISSUER, settings.OIDC_NAME = "http://localhost:1", "Campus Login"
    answer = client.get("/sign-in/sso/")
    assert answer.status_code == 502
    assert "Campus Login cannot be used at the moment." in answer.content.decode()


def test_form_typed_before_the_session_ended_survives(
    client: Client, provider: Provider, faculty: User, sandbox: Sandbox
) -> None:
    answer = client.post("/jobs/new/", form(note="For the summer school.", owner=owner_mark(faculty)))
    page = client.get(answer["Location"]).content.decode()
    assert "Your input is kept." in page
    assert 'href="/sign-in/sso/?next=%2Fjobs%2Fnew%2F"' in page
    assert provider.sign_in(client, "/jobs/new/")["Location"] == "/jobs/new/"
    assert "For the summer school.</textarea>" in client.get("/jobs/new/").content.decode()


def test_sign_out_offers_to_sign_out_at_the_provider(client: Client, provider: Provider, settings: Settings) -> None:
    settings.SITE_URL = "https://copies.example.edu"
    provider.sign_in(client)
    answer = client.post("/sign-out/")
    assert answer["Location"] == "/sign-in/?signed-out"
    page = client.get(answer["Location"]).content.decode()
    assert "You are signed out of dupdash." in page
    assert client.get("/").status_code == 302
    there = client.get("/sign-out/sso/")["Location"]
    assert there.startswith(f"{provider.url}/oauth2/end_session?client_id=dupdash&")
    assert "post_logout_redirect_uri=https%3A%2F%2Fcopies.example.edu%2Fsign-in%2F" in there


def test_sign_out_of_a_local_account_skips_the_provider(client: Client, provider: Provider, faculty: User) -> None:
    client.post("/sign-in/", {"username": "faculty", "password": PASSWORD})
    assert client.post("/sign-out/")["Location"] == "/sign-in/"


def test_local_passwords_are_off_by_a_setting(
    client: Client, provider: Provider, faculty: User, settings: Settings
) -> None:
    settings.LOCAL_PASSWORDS = False
    page = client.get("/sign-in/").content.decode()
    assert "Sign in with Campus Login" in page
    assert 'name="password"' not in page
    assert client.post("/sign-in/", {"username": "faculty", "password": PASSWORD}).status_code == 403
    assert client.login(username="faculty", password=PASSWORD) is False
    assert client.get("/sign-in/forgotten/").status_code == 404
    assert provider.sign_in(client).status_code == 302


def test_sign_in_page_offers_nothing_without_a_provider(client: Client, db: None) -> None:
    assert "sso" not in client.get("/sign-in/").content.decode()
    assert client.get("/sign-in/sso/").status_code == 404
