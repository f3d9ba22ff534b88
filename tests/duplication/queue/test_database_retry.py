"""Tests that important writes are repeated until the database accepts them, or for an hour."""

import pytest
from django.db import InternalError, OperationalError, connection

from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.queue import database_retry
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.tasks import heartbeat

pytestmark = [pytest.mark.django_db(transaction=True)]

READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="is how PostgreSQL says it")
def test_read_only_database_is_awaited() -> None:
    """A write waits while the database is read-only, as during a switchover to another server."""
    ClusterHeartbeat.objects.create(worker_group="test", cluster="test")
    with connection.cursor() as cursor:
        cursor.execute(READ_ONLY)
    with pytest.raises(InternalError):
        heartbeat("test", "1")
    retry_until_database_up(lambda: heartbeat("test", "2"))
    assert ClusterHeartbeat.objects.get().token == "2"


def test_error_is_raised_when_the_database_stays_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_retry, "DATABASE_WAIT_LONGEST", 0)

    def write() -> None:
        raise OperationalError("the database is gone")

    with pytest.raises(OperationalError):
        retry_until_database_up(write)
