from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.accounts import tokens
from tests.duplication.fixtures import (  # noqa: F401 - fixtures
    administrator,
    clock,
    colleague,
    faculty,
    help_desk,
    moodle,
    outsider,
    whole_stories,
)
from tests.gateway.support import Caller


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    """Token ids start at 1 in the database of each test, so the calls reserved for them are reset, too."""
    tokens.clear_portions()


@pytest.fixture
def calls_as(client: Client) -> Callable[[User], Caller]:
    """``calls_as(person)``: a client program with a token of that person."""

    def with_token_of(person: User, **rest: Any) -> Caller:
        _, text = tokens.make(person, rest.pop("label", "a program"), **rest)
        return Caller(client, text)

    return with_token_of
