"""Tests API tokens: creation, permissions, expiry, rate limit, and the command ``api_token``."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from tests.duplication.support import Clock
from tests.gateway.support import SITE_INFO, Caller, error

Calls = Callable[..., Caller]


def test_token_has_moodles_form_and_only_its_hash_is_stored(administrator: User) -> None:
    token, text = tokens.make(administrator, "import")
    assert len(text) == 32
    assert int(text, 16) >= 0
    row = ApiToken.objects.values().get()
    assert text not in str(row)
    assert row["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert text not in repr(token)


def test_tokens_are_unique(administrator: User) -> None:
    assert tokens.make(administrator, "a")[1] != tokens.make(administrator, "b")[1]


def test_token_acts_as_its_owner(calls_as: Calls, faculty: User) -> None:
    assert calls_as(faculty)(SITE_INFO)["username"] == "faculty"


@pytest.mark.parametrize("wrong", ["", "0" * 32, "x" * 5000, "\udcff\udcff", "ä" * 32])
def test_wrong_token_is_refused(client: Client, calls_as: Calls, administrator: User, wrong: str) -> None:
    calls_as(administrator)
    assert tokens.find_with_job(wrong, "", None) == (None, None)
    if wrong.isprintable():
        assert error(Caller(client, wrong)(SITE_INFO)) == "invalidtoken"


def test_revoked_token_is_refused_at_once(calls_as: Calls, administrator: User) -> None:
    program = calls_as(administrator)
    assert "username" in program(SITE_INFO)
    assert tokens.revoke(ApiToken.objects.get())
    assert error(program(SITE_INFO)) == "invalidtoken"
    assert not tokens.revoke(ApiToken.objects.get())


def test_expired_token_is_refused(calls_as: Calls, administrator: User, clock: Clock) -> None:
    program = calls_as(administrator, days=1)
    clock.forward(timedelta(hours=23).total_seconds())
    assert "username" in program(SITE_INFO)
    clock.forward(timedelta(hours=2).total_seconds())
    assert error(program(SITE_INFO)) == "invalidtoken"
    assert ApiToken.objects.get().status == "expired"


def test_token_of_an_inactive_owner_is_refused(calls_as: Calls, administrator: User) -> None:
    program = calls_as(administrator)
    User.objects.update(is_active=False)
    assert error(program(SITE_INFO)) == "accessexception"


def test_last_use_is_stored_to_the_minute(calls_as: Calls, administrator: User, clock: Clock) -> None:
    program = calls_as(administrator)
    assert ApiToken.objects.get().last_used_at is None
    program(SITE_INFO)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(minutes=1)
    assert (used.second, used.microsecond) == (0, 0)
    clock.forward(120)
    program(SITE_INFO)
    assert ApiToken.objects.get().last_used_at == used + timedelta(minutes=2)


def test_refused_call_does_not_count_as_use(calls_as: Calls, administrator: User) -> None:
    calls_as(administrator)
    tokens.revoke(ApiToken.objects.get())
    assert ApiToken.objects.get().last_used_at is None


# --- The rate --------------------------------------------------------------------------------------------


@pytest.fixture
def at_the_start_of_a_minute(clock: Clock) -> Clock:
    clock.forward(60 - timezone.now().second)
    return clock


@pytest.mark.parametrize("limit", [3, 120])
def test_too_many_calls_in_a_minute_are_refused(
    calls_as: Calls, administrator: User, settings: Any, at_the_start_of_a_minute: Clock, limit: int
) -> None:
    settings.API_RATE_PER_MINUTE = limit
    program = calls_as(administrator)
    for _ in range(limit):
        assert "username" in program(SITE_INFO)
    assert error(program(SITE_INFO)) == "ratelimited"
    at_the_start_of_a_minute.forward(60)
    assert "username" in program(SITE_INFO)


def test_rate_limit_is_per_token(
    calls_as: Calls, administrator: User, settings: Any, at_the_start_of_a_minute: Clock
) -> None:
    settings.API_RATE_PER_MINUTE = 1
    one, other = calls_as(administrator, label="one"), calls_as(administrator, label="other")
    assert "username" in one(SITE_INFO)
    assert error(one(SITE_INFO)) == "ratelimited"
    assert "username" in other(SITE_INFO)


def test_rate_limit_is_shared_by_all_processes(
    administrator: User, settings: Any, at_the_start_of_a_minute: Clock
) -> None:
    settings.API_RATE_PER_MINUTE = 100
    token, _ = tokens.make(administrator, "import")
    granted = 0
    for _ in range(300):
        granted += tokens.admit(token)
        if granted % 7 == 0:
            # This simulates another process, which has no reserved calls.
            tokens.clear_portions()
    assert 0 < granted <= 100


def test_simultaneous_portions_are_both_granted(
    administrator: User, settings: Any, at_the_start_of_a_minute: Clock
) -> None:
    settings.API_RATE_PER_MINUTE = 1000
    token, _ = tokens.make(administrator, "import")
    overtaken: list[bool] = []

    def another_call_meanwhile(execute: Any, *query: Any) -> Any:
        if not overtaken:
            overtaken.append(False)
            overtaken[0] = tokens.admit(token)
        return execute(*query)

    # While one call waits for the database, a call in another thread is completed.
    with connection.execute_wrapper(another_call_meanwhile):
        granted = int(tokens.admit(token))
    assert overtaken == [True]
    while tokens.admit(token):
        granted += 1
    assert granted == 999


def test_call_of_the_previous_minute_does_not_count(
    administrator: User, settings: Any, at_the_start_of_a_minute: Clock
) -> None:
    """A call that waits for the database until the next minute does not count in that minute."""
    settings.API_RATE_PER_MINUTE = 1000
    token, _ = tokens.make(administrator, "import")
    granted = 0

    def a_minute_later(execute: Any, *query: Any) -> Any:
        nonlocal granted
        answer = execute(*query)
        if not granted:
            granted = 1
            at_the_start_of_a_minute.forward(60)
            assert tokens.admit(token)
        return answer

    with connection.execute_wrapper(a_minute_later):
        assert tokens.admit(token)
    while tokens.admit(token):
        granted += 1
    assert granted == 1000


def test_counting_needs_one_query_in_a_hundred_calls(
    administrator: User, at_the_start_of_a_minute: Clock, django_assert_max_num_queries: Any
) -> None:
    token, _ = tokens.make(administrator, "import")
    with django_assert_max_num_queries(1):
        for _ in range(tokens.PORTION_MOST):
            assert tokens.admit(token)


def test_call_is_allowed_if_its_count_cannot_be_written(
    calls_as: Calls, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise DatabaseError("disk full")

    program = calls_as(administrator)
    monkeypatch.setattr("dupdash.accounts.models.ApiTokenQuerySet.update", broken)
    assert "username" in program(SITE_INFO)


# --- The command -----------------------------------------------------------------------------------------


def command(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("api_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_command_creates_lists_and_revokes_tokens(client: Client, administrator: User) -> None:
    out, told = command("create", "ada", "--label", "night import", "--days", "30")
    text = out.strip()
    program = Caller(client, text)
    assert program(SITE_INFO)["username"] == "ada"
    assert "only once" in told
    token = ApiToken.objects.get()
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    listed, _ = command("list")
    assert "night import" in listed
    assert "active" in listed
    assert text not in listed
    assert token.sha256 not in listed
    command("revoke", str(token.pk))
    assert error(program(SITE_INFO)) == "invalidtoken"
    assert "revoked" in command("list", "ada")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "nobody", "--label", "x"), "no user nobody"),
        (("create", "ada", "--label", "  "), "--label"),
        (("create", "ada", "--label", "a\nb"), "--label"),
        (("create", "ada", "--label", "x", "--days", "0"), "--days"),
        (("create", "ada", "--label", "taken"), "Revoke it first"),
        (("revoke", "987"), "no token 987"),
    ],
)
def test_command_reports_invalid_arguments(administrator: User, arguments: tuple[str, ...], words: str) -> None:
    tokens.make(administrator, "taken")
    with pytest.raises(CommandError, match=words):
        command(*arguments)
    assert ApiToken.objects.count() == 1
