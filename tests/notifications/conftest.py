"""Fixtures for tests of notifications: the sent mails, and a mail backend that can fail."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail

from dupdash.notifications import daily_digest
from tests.duplication.fixtures import client_of, clock, moodle  # noqa: F401 - fixtures
from tests.notifications.support import FailingBackend


@pytest.fixture(autouse=True)
def _addresses(settings: Any) -> None:
    settings.SITE_URL = "https://copies.example.edu"
    settings.DEFAULT_FROM_EMAIL = "copies@example.edu"


@pytest.fixture
def sent_mail(db: None, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The list of sent mails. Daily digests are switched off."""
    monkeypatch.setattr(daily_digest, "start_due_digests", lambda: None)
    mail.outbox = []
    return mail.outbox


@pytest.fixture
def post_office(settings: Any) -> Iterator[type[FailingBackend]]:
    """A mail backend that a test can make fail."""
    settings.EMAIL_BACKEND = "tests.notifications.support.FailingBackend"
    FailingBackend.reset()
    yield FailingBackend
    FailingBackend.reset()
