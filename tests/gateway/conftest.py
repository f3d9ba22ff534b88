"""Fixtures for tests of the web services: client programs with a token."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.accounts import tokens
from tests.duplication.fixtures import clock, complete_timelines, moodle  # noqa: F401 - fixtures
from tests.gateway.support import Caller


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    """Reset the reserved calls of tokens, because token ids start at 1 in the database of each test."""
    tokens.clear_portions()


@pytest.fixture
def calls_as(client: Client) -> Callable[[User], Caller]:
    """Return a function: ``calls_as(person)`` is a client program with a token of that person."""

    def with_token_of(person: User, **rest: Any) -> Caller:
        _, text = tokens.make(person, rest.pop("label", "a program"), **rest)
        return Caller(client, text)

    return with_token_of
