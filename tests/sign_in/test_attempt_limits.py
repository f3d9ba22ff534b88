"""Tests that sign-in attempts are limited by account and by network address."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import Settings
from time_machine import travel

from dupdash.accounts.attempt_limits import SIGN_IN, admit, forget
from dupdash.accounts.client_address import client_address, network_of
from dupdash.accounts.models import SignInAttempt
from tests.conftest import PASSWORD

URL = "/sign-in/"


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS_ACCOUNT, settings.SIGN_IN_ATTEMPTS_ADDRESS, settings.SIGN_IN_WINDOW = 3, 5, 900.0


def attempt(client: Client, username: str = "faculty", password: str = "wrong", address: str = "192.0.2.1"):
    return client.post(URL, {"username": username, "password": password}, REMOTE_ADDR=address)


def test_account_is_refused_after_too_many_attempts_with_the_waiting_time(client: Client, faculty: User) -> None:
    answers = [attempt(client, address=f"192.0.2.{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    page = answers[-1].content.decode()
    assert "Too many attempts to sign in." in page
    assert "Try again in 15 minutes" in page
    assert 890 <= int(answers[-1]["Retry-After"]) <= 900
    # The right password is refused, too, and so is the name in upper case.
    assert attempt(client, "FACULTY", PASSWORD).status_code == 429


def test_another_account_from_the_same_network_address_may_sign_in(
    client: Client, faculty: User, administrator: User
) -> None:
    for _ in range(4):
        attempt(client)
    assert attempt(client, "ada", PASSWORD).status_code == 302


def test_network_address_is_refused_after_too_many_attempts(client: Client, faculty: User) -> None:
    answers = [attempt(client, f"nobody{number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert attempt(client, "faculty", PASSWORD).status_code == 429
    assert attempt(client, "faculty", PASSWORD, "192.0.2.2").status_code == 302


def test_unknown_account_is_refused_like_a_known_one(client: Client, db: None) -> None:
    answers = [attempt(client, "nobody", address=f"192.0.2.{number}") for number in range(4)]
    assert answers[-1].status_code == 429


def test_attempts_are_allowed_again_after_the_window(client: Client, faculty: User) -> None:
    with travel("2027-01-01T12:00:00Z", tick=False) as clock:
        for _ in range(4):
            attempt(client)
        clock.shift(timedelta(minutes=14))
        refused = attempt(client, password=PASSWORD)
        assert "Try again in one minute" in refused.content.decode()
        clock.shift(timedelta(minutes=1, seconds=1))
        assert attempt(client, password=PASSWORD).status_code == 302


def test_refused_attempts_do_not_prolong_the_wait(db: None) -> None:
    with travel("2027-01-01T12:00:00Z", tick=False) as clock:
        waits = []
        for _ in range(6):
            waits.append(admit(SIGN_IN, "faculty", "192.0.2.1").wait)
            clock.shift(timedelta(seconds=10))
        assert waits == [0, 0, 0, 870, 860, 850]


def test_sign_in_clears_the_attempts_of_its_account_alone(client: Client, faculty: User) -> None:
    for _ in range(2):
        attempt(client)
    attempt(client, "nobody")
    assert attempt(client, password=PASSWORD).status_code == 302
    assert SignInAttempt.objects.count() == 1


def test_password_is_not_checked_while_the_account_must_wait(client: Client, faculty: User, monkeypatch) -> None:
    for _ in range(3):
        attempt(client)
    monkeypatch.setattr(User, "check_password", lambda *_: pytest.fail("checked"))
    assert attempt(client).status_code == 429


def test_typed_account_is_stored_as_a_hash_only(client: Client, db: None) -> None:
    attempt(client, "my secret password")
    row = SignInAttempt.objects.values().get()
    assert "secret" not in str(row)


def test_admin_has_no_sign_in_of_its_own(client: Client, db: None) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/sign-in/?next=%2Fadmin%2F"
    assert client.post("/admin/login/", {"username": "a", "password": "b"})["Location"] == "/sign-in/"


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_moment_do_not_exceed_the_limit() -> None:
    def once(number: int) -> int:
        try:
            return admit(SIGN_IN, "faculty", f"192.0.2.{number}").wait
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(once, range(24)))
    assert waits.count(0) <= 3
    forget(SIGN_IN, "faculty")
    assert admit(SIGN_IN, "faculty", "192.0.2.1").wait == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),
        (2, "10.9.9.9, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "nonsense", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "2001:db8::1%eth0", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_network_address_is_taken_from_trusted_proxies_only(
    settings: Settings, proxies: int, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="192.0.2.1")
    assert client_address(request) == expected


def test_connection_without_a_network_address_is_unknown(rf: RequestFactory) -> None:
    assert client_address(rf.get("/", REMOTE_ADDR="")) == "unknown"


def test_ipv6_addresses_count_by_their_network() -> None:
    assert network_of("2001:db8:1:2:3::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
