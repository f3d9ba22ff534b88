"""Tests the housekeeping task that does not concern copies."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from dupdash.duplication.planner_statistics import update_statistics
from dupdash.operations.tasks import send_messages_and_clean_up
from tests.duplication.support import a_job


@pytest.mark.django_db(transaction=True)
def test_expired_sessions_are_deleted_and_current_ones_stay() -> None:
    now = timezone.now()
    for name, hours in (("expired", -1), ("current", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=now + timedelta(hours=hours))
    send_messages_and_clean_up()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["current"]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL updates its statistics by itself")
def test_statistics_are_updated_once_a_day() -> None:
    def known() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM sqlite_stat1 WHERE idx = 'job_by_age'")
            return int(cursor.fetchone()[0])

    cache.delete("planner-statistics")
    a_job()
    update_statistics(connection)
    assert known() == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_stat1")
    send_messages_and_clean_up()
    assert known() == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_stat1")
    send_messages_and_clean_up()
    assert known() == 0
