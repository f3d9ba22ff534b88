"""Fixtures for all tests: people with and without roles, signed-in clients, and a sandbox."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings

from dupdash.accounts import audit_triggers
from dupdash.accounts.access import Role
from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.sandbox.server import Sandbox
from tests.background_threads import await_threads
from tests.database_template import django_db_keepdb, django_db_modify_db_settings, template  # noqa: F401 - fixtures
from tests.empty_tables import empty_tables_quickly  # noqa: F401 - a fixture

PASSWORD = "correct horse battery staple"

# On a busy machine an example may take any time.
hypothesis_settings.register_profile("dupdash", deadline=None)
hypothesis_settings.load_profile("dupdash")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Create the test database without the triggers of the audit table, because tests empty every table by DELETE."""
    with django_db_blocker.unblock():
        audit_triggers.release(connection)


def make_person(username: str, *roles: Role, **columns: Any) -> User:
    person = User.objects.create_user(username, f"{username}@example.edu", PASSWORD, **columns)
    for role in roles:
        # Emptying the tables between tests deletes the groups that a migration created.
        person.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return person


@pytest.fixture
def administrator(db: None) -> User:
    return make_person("ada", Role.ADMINISTRATOR, first_name="Ada", last_name="Admin")


@pytest.fixture
def faculty(db: None) -> User:
    """A faculty member who teaches BIO101-2026S1 (course 7), AT&T and four more courses in the sandbox."""
    return make_person("faculty", Role.FACULTY, first_name="Fay", last_name="Faculty")


@pytest.fixture
def colleague(db: None) -> User:
    """Another faculty member of the sandbox, who may not see the jobs of ``faculty``."""
    return make_person("nbakshi", Role.FACULTY, first_name="Nadia", last_name="Bakshi")


@pytest.fixture
def help_desk(db: None) -> User:
    return make_person("hal", Role.HELP_DESK, first_name="Hal", last_name="Helper")


@pytest.fixture
def outsider(db: None) -> User:
    """A person with an account and no role."""
    return make_person("otto", first_name="Otto", last_name="Outsider")


@pytest.fixture
def as_administrator(administrator: User) -> Client:
    return signed_in(administrator)


@pytest.fixture
def as_faculty(faculty: User) -> Client:
    return signed_in(faculty)


@pytest.fixture
def as_help_desk(help_desk: User) -> Client:
    return signed_in(help_desk)


@pytest.fixture
def as_outsider(outsider: User) -> Client:
    return signed_in(outsider)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def sandbox(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Start a new sandbox, and set it as dupdash's Moodle site."""
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))
    with Sandbox(speed=1000) as moodle:
        settings.MOODLE_URL = moodle.url
        settings.MOODLE_TOKEN = moodle.token
        yield moodle
    await_threads()


@pytest.fixture
def worker_heartbeat(request: pytest.FixtureRequest) -> None:
    """Pretend that a worker is running. The heartbeat is in the future, because some tests move the clock."""
    uses_database = request.node.get_closest_marker("django_db") or "db" in request.node.fixturenames
    if not uses_database:
        return
    request.getfixturevalue("_django_db_helper")
    ClusterHeartbeat.objects.create(
        worker_group=COPIES, cluster=COPIES, token="", at=timezone.now() + timedelta(days=1)
    )
