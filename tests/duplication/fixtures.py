"""Fixtures of everything that works on jobs: a Moodle, a clock, and the standing people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, User

from dupdash.accounts.access import Role
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.client import MoodleClient
from tests.duplication.support import Clock, Moodle, point_at, scale_periods, stories_are_whole

# A copy of five activities takes 20 ms.
SPEED = 50.0


@pytest.fixture
def moodle(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moodle]:
    """A Moodle that the settings point to; at the end nothing may have been sent or made twice."""
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0,))
    moodle = Moodle(speed=SPEED)
    with moodle:
        scale_periods(settings)
        point_at(settings, moodle)
        yield moodle
        moodle.gates.release()
    moodle.never_sent_twice()
    moodle.never_disturbed()


@pytest.fixture
def whole_stories(transactional_db: None) -> Iterator[None]:
    """At the end every job's events must tell an unbroken story."""
    yield
    stories_are_whole()


@pytest.fixture
def client_of(moodle: Moodle) -> Iterator[MoodleClient]:
    with open_client() as client:
        yield client


@pytest.fixture
def clock() -> Iterator[Clock]:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield Clock(traveller)


def person(username: str, *roles: Role, **columns: Any) -> User:
    user = User.objects.create_user(username, f"{username}@example.edu", "secret", **columns)
    for role in roles:
        # A flush between tests takes the groups of the migration with it.
        user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return user


@pytest.fixture
def administrator(db: None) -> User:
    return person("archer", Role.ADMINISTRATOR)


@pytest.fixture
def faculty(db: None) -> User:
    """Teaches BIO101-2026S1, AT&T and four more in the sandbox: known there by the same username and address."""
    return person("faculty", Role.FACULTY)


@pytest.fixture
def colleague(db: None) -> User:
    """Faculty, too; Moodle knows nobody of that name."""
    return person("colleague", Role.FACULTY)


@pytest.fixture
def help_desk(db: None) -> User:
    return person("helpdesk", Role.HELP_DESK)


@pytest.fixture
def outsider(db: None) -> User:
    """Has an account and no role."""
    return person("outsider")
