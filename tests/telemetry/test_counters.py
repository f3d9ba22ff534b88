"""Tests counting events in a process and writing the counts, even during a database outage."""

import pytest
from django.db import DatabaseError

from dupdash.telemetry import counters
from dupdash.telemetry.counters import Counters, Event
from dupdash.telemetry.models import Counter

CALL = Event("moodle_calls", "core_course_get_contents", "ok")


def stored() -> list[tuple[str, int]]:
    return list(Counter.objects.order_by("subject").values_list("subject", "count"))


def test_counts_are_written_once_per_interval(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Counters()
    process.add(CALL)
    process.write_if_due()
    process.add(CALL)
    process.write_if_due()
    assert stored() == [(CALL.subject, 1)]
    monkeypatch.setattr(counters, "WRITE_INTERVAL", 0)
    process.write_if_due()
    assert stored() == [(CALL.subject, 2)]


def test_nothing_is_written_without_events(db: None, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        Counters().write_if_due()


def test_counts_are_kept_while_the_database_is_away(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Counters()
    process.add(CALL, 0.5)

    def refuse(**key: str) -> None:
        raise DatabaseError("the connection was refused")

    with monkeypatch.context() as broken:
        broken.setattr(Counter.objects, "get_or_create", refuse)
        process.write()
    process.add(CALL, 0.25)
    process.write()
    row = Counter.objects.get()
    assert (row.count, row.seconds) == (2, 0.75)
