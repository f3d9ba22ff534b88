"""Tests single sign-on with SAML, with an identity provider that signs its assertions."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dupdash.accounts import access
from dupdash.accounts.access import Role
from dupdash.accounts.models import AuditEntry, AuditKind
from dupdash.duplication.moodle_clients import open_client
from dupdash.sandbox.server import Sandbox
from tests.sign_in.identity_provider import AFFILIATION, MAIL, IdentityProvider, Key, Lies, identity_provider, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def campus(settings: Settings, tmp_path: Path) -> Iterator[IdentityProvider]:
    with identity_provider(tmp_path) as running:
        settings.SAML_METADATA_FILE = str(tmp_path / "metadata.xml")
        settings.SAML_NAME, settings.SITE_URL = "Campus Login", "http://testserver"
        settings.SAML_ROLE_FACULTY = ["teacher"]
        settings.SAML_ROLE_ADMINISTRATOR = ["registrar"]
        yield running


def is_signed_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_first_sign_in_makes_an_account_with_the_role_of_its_group(client: Client, campus: IdentityProvider) -> None:
    answer: Any = campus.sign_in(client, "/jobs/")
    assert answer["Location"] == "/jobs/"
    fay = User.objects.get()
    assert (fay.username, fay.email, fay.get_full_name()) == (
        "faculty@example.edu", "faculty@example.edu", "Fay Faculty"
    )  # fmt: skip
    assert access.roles(fay) == {Role.FACULTY}
    assert not fay.has_usable_password()
    entry = AuditEntry.objects.filter(kind=AuditKind.SIGNED_IN).get()
    assert "Campus Login" in entry.detail


def test_second_sign_in_is_the_same_account_though_the_name_id_changes(
    client: Client, campus: IdentityProvider
) -> None:
    campus.sign_in(client)
    campus.attributes[AFFILIATION] = ["registrar"]
    campus.sign_in(Client())
    assert SocialAccount.objects.count() == 1
    assert access.roles(User.objects.get()) == {Role.ADMINISTRATOR}


def test_person_is_found_in_moodle_by_the_email_address(
    client: Client, campus: IdentityProvider, sandbox: Sandbox
) -> None:
    campus.sign_in(client)
    with open_client() as moodle:
        assert access.moodle_user_id(User.objects.get(), moodle) > 0


def test_local_account_with_the_email_address_is_used(client: Client, campus: IdentityProvider, faculty: User) -> None:
    campus.sign_in(client)
    assert User.objects.get() == faculty


def test_inactive_account_cannot_sign_in(client: Client, campus: IdentityProvider, faculty: User) -> None:
    User.objects.filter(pk=faculty.pk).update(is_active=False)
    answer: Any = campus.sign_in(client)
    assert "is inactive" in answer.content.decode()
    assert not is_signed_in(client)


def is_refused(client: Client, answer: Any, why: str) -> bool:
    """Assert that nobody is signed in, the page explains this, and the audit log has an entry with the reason."""
    entry = AuditEntry.objects.filter(kind=AuditKind.SIGN_IN_FAILED).latest("pk")
    page = answer.content.decode()
    assert why in entry.detail
    assert why not in page
    return answer.status_code == 403 and "The sign-in did not work." in page and not is_signed_in(client)


@pytest.mark.parametrize(
    ("lies", "why"),
    [
        (Lies(unsigned=True), "No Signature found"),
        (Lies(key=Key.new()), "Signature validation failed"),
        (Lies(after_signing=("faculty@example.edu", "admin@example.edu")), "Signature validation failed"),
        (Lies(audience="https://other.example.edu"), "is not a valid audience"),
        (Lies(recipient="https://other.example.edu/acs"), "instead of"),
        (Lies(age=timedelta(hours=1)), "Could not validate timestamp"),
        (Lies(unasked=True), "the answer belongs to no request of dupdash"),
    ],
    ids=["unsigned", "another key", "changed after signing", "another audience", "another recipient", "old", "unasked"],
)
def test_invalid_answer_is_refused(client: Client, campus: IdentityProvider, lies: Lies, why: str) -> None:
    campus.lies = lies
    assert is_refused(client, campus.sign_in(client), why)
    assert not User.objects.exists()


def test_expired_answer_is_refused_as_expired(client: Client, campus: IdentityProvider) -> None:
    campus.lies = Lies(age=timedelta(hours=1))
    answer: Any = campus.sign_in(client)
    assert "The sign-in took too long, or the clocks of the servers differ." in answer.content.decode()


def test_answer_is_used_once(client: Client, campus: IdentityProvider) -> None:
    answer = campus.asked(client)
    assert getattr(send(client, answer), "status_code", 0) == 302
    client.post("/sign-out/")
    assert is_refused(client, send(client, answer), "used already")


def test_answer_to_another_browser_signs_nobody_in(client: Client, campus: IdentityProvider) -> None:
    victim = Client()
    assert is_refused(victim, send(victim, campus.asked(client)), "this browser has not asked")


@pytest.mark.parametrize("answer", ["", "x", "PHg+", "x" * 300_000, "\0", "PD94bWw+"])
def test_malformed_answer_shows_a_page(client: Client, campus: IdentityProvider, answer: str) -> None:
    assert is_refused(client, send(client, answer), "answer")


@pytest.mark.parametrize("address", ["", "nobody", "<script>@example.edu"])
def test_person_without_an_email_address_is_refused(client: Client, campus: IdentityProvider, address: str) -> None:
    campus.attributes[MAIL] = [address]
    answer: Any = campus.sign_in(client)
    assert answer.status_code == 403
    assert "no email address that dupdash can use" in answer.content.decode()


def test_metadata_name_the_url_of_the_settings(client: Client, campus: IdentityProvider) -> None:
    answer = client.get("/sign-in/saml/metadata/", headers={"host": "localhost"})
    root = ElementTree.fromstring(answer.content)
    assert root.attrib["entityID"] == "http://testserver/sign-in/saml/metadata/"
    assert b'Location="http://testserver/sign-in/saml/acs/"' in answer.content


def test_sign_in_page_offers_saml(client: Client, campus: IdentityProvider) -> None:
    assert "Sign in with Campus Login" in client.get("/sign-in/").content.decode()


@pytest.mark.parametrize("path", ["/sign-in/saml/metadata/", "/sign-in/saml/finish/", "/sign-in/sso/"])
def test_urls_do_not_exist_without_a_provider(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 404
