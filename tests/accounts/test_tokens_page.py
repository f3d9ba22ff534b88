"""Tests the page on which people create and revoke their own API tokens."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from tests.gateway.support import SITE_INFO, Caller, error

SignIn = Callable[[User], Client]


@pytest.fixture
def sign_in() -> SignIn:
    def as_person(person: User) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return as_person


def made(client: Client, label: str = "import", days: str = "30") -> str:
    """Create a token with the form. Returns the text of the token, which the next page shows."""
    page = client.post(reverse("tokens"), {"label": label, "days": days}, follow=True)
    assert page.redirect_chain == [(reverse("tokens"), 303)]
    found = re.search(r'<code id="token">([0-9a-f]{32})</code>', page.content.decode())
    assert found is not None
    assert "no-store" in page["Cache-Control"]
    return found[1]


def test_new_token_is_shown_once(client: Client, sign_in: SignIn, faculty: User) -> None:
    browser = sign_in(faculty)
    text = made(browser)
    assert Caller(client, text)(SITE_INFO)["username"] == "faculty"
    page = browser.get(reverse("tokens")).content.decode()
    assert text not in page
    assert ApiToken.objects.get().sha256 not in page
    assert "import" in page


def test_second_token_with_the_same_label_is_refused(sign_in: SignIn, faculty: User) -> None:
    browser = sign_in(faculty)
    made(browser)
    again = browser.post(reverse("tokens"), {"label": "import", "days": "30"})
    assert again.status_code == 422
    assert "You have a token with this purpose" in again.content.decode()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("sent", [{"label": ""}, {"label": "x" * 101}, {"label": "x", "days": "0"}, {"days": "no"}])
def test_invalid_form_is_shown_again(sign_in: SignIn, faculty: User, sent: dict[str, str]) -> None:
    answer = sign_in(faculty).post(reverse("tokens"), {"label": "import", "days": "30"} | sent)
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_owner_can_revoke_a_token(client: Client, sign_in: SignIn, faculty: User) -> None:
    browser = sign_in(faculty)
    text = made(browser)
    address = reverse("revoke_token", args=[ApiToken.objects.get().pk])
    assert "Revoke" in browser.get(address).content.decode()
    assert "username" in Caller(client, text)(SITE_INFO)
    assert browser.post(address).status_code == 303
    assert error(Caller(client, text)(SITE_INFO)) == "invalidtoken"
    assert "Revoked" in browser.get(reverse("tokens")).content.decode()


def test_tokens_of_others_are_neither_shown_nor_revoked(sign_in: SignIn, administrator: User, faculty: User) -> None:
    token, _ = tokens.make(faculty, "secret plans")
    browser = sign_in(administrator)
    assert "secret plans" not in browser.get(reverse("tokens")).content.decode()
    assert browser.post(reverse("revoke_token", args=[token.pk])).status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_page_requires_sign_in(client: Client, db: None) -> None:
    assert client.get(reverse("tokens")).status_code == 302


def test_user_without_a_role_has_no_token_page(sign_in: SignIn, outsider: User) -> None:
    assert sign_in(outsider).get(reverse("tokens")).status_code == 403
