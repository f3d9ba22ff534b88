"""Tests lanes: single requests and batches take turns, with priorities, pauses and times of day."""

from collections import Counter
from datetime import UTC, datetime, time
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from dupdash.duplication.batch_actions import spread_out
from dupdash.duplication.batch_tables import Batch
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import lanes
from dupdash.duplication.queue.dispatch import dispatch
from dupdash.duplication.states import State
from dupdash.web.presentation.why_it_waits import Queue, why_it_waits
from tests.duplication.support import a_job

pytestmark = pytest.mark.django_db


def a_batch(copies: int, name: str = "B", **columns: Any) -> Batch:
    batch = Batch.objects.create(label=name, **columns)
    for n in range(copies):
        a_job(shortname=f"{name}-{n}", source_id=hash((name, n)) % 10**9, batch=batch, batch_row=n, batch_order=n)
    return batch


def singles(count: int) -> None:
    for n in range(count):
        a_job(shortname=f"SINGLE-{n}", source_id=n + 1)


def next_names(count: int) -> list[str]:
    """Return the short names of the jobs that get the next slots, in order."""
    names = []
    for _ in range(count):
        job = lanes.next_job(timezone.now(), ())
        if job is None:
            break
        DuplicationJob.objects.filter(pk=job.pk).update(dispatched_at=timezone.now())
        names.append(job.shortname)
    return names


def test_single_requests_and_a_batch_take_turns() -> None:
    a_batch(3)
    singles(3)
    assert next_names(9) == ["SINGLE-0", "B-0", "SINGLE-1", "B-1", "SINGLE-2", "B-2"]


def test_single_request_passes_500_rows_of_a_batch() -> None:
    a_batch(20)
    assert next_names(3) == ["B-0", "B-1", "B-2"]
    singles(1)
    assert "SINGLE-0" in next_names(2)


def test_several_batches_take_turns() -> None:
    a_batch(2, "A")
    a_batch(2, "B")
    singles(1)
    assert Counter(name[0] for name in next_names(3)) == {"A": 1, "B": 1, "S": 1}


def test_new_batches_do_not_keep_single_requests_waiting() -> None:
    singles(2)
    assert next_names(1) == ["SINGLE-0"]
    for name in "ABC":
        a_batch(1, name)
    assert "SINGLE-1" in next_names(1)


def test_higher_priority_comes_first_and_a_lower_one_last() -> None:
    a_batch(1, "LOW", priority=-1)
    a_batch(2, "HIGH", priority=1)
    singles(1)
    assert next_names(9) == ["HIGH-0", "HIGH-1", "SINGLE-0", "LOW-0"]


def test_paused_batch_gets_no_slot() -> None:
    a_batch(1, paused_at=timezone.now())
    assert next_names(1) == []


@pytest.mark.parametrize(
    ("now", "open"),
    [
        # 20:00 and 06:00 in Berlin, in winter and in summer.
        (datetime(2027, 1, 15, 18, 59, tzinfo=UTC), False),
        (datetime(2027, 1, 15, 19, 0, tzinfo=UTC), True),
        (datetime(2027, 1, 16, 4, 59, tzinfo=UTC), True),
        (datetime(2027, 1, 16, 5, 0, tzinfo=UTC), False),
        (datetime(2027, 7, 15, 17, 59, tzinfo=UTC), False),
        (datetime(2027, 7, 15, 18, 0, tzinfo=UTC), True),
        # In the night in which the clocks go forward, 06:00 is 04:00 UTC.
        (datetime(2027, 3, 28, 3, 59, tzinfo=UTC), True),
        (datetime(2027, 3, 28, 4, 0, tzinfo=UTC), False),
        # In the night in which the clocks go back, 06:00 is 05:00 UTC.
        (datetime(2027, 10, 31, 4, 59, tzinfo=UTC), True),
        (datetime(2027, 10, 31, 5, 0, tzinfo=UTC), False),
    ],
)
def test_window_spans_midnight_in_the_sites_zone(now: datetime, open: bool, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    with time_machine.travel(now, tick=False):
        a_batch(1, window_start=time(20), window_end=time(6))
        assert bool(next_names(1)) is open


def test_window_within_a_day_is_kept() -> None:
    batch = Batch(window_start=time(9), window_end=time(17))
    assert batch.is_in_window(datetime(2027, 1, 1, 9, 0, tzinfo=UTC))
    assert not batch.is_in_window(datetime(2027, 1, 1, 17, 0, tzinfo=UTC))


def test_copies_of_one_source_are_spread_over_the_batch() -> None:
    order = spread_out({1: 7, 2: 7, 3: 7, 4: 8, 5: 9, 6: 10})
    sources = {1: 7, 2: 7, 3: 7, 4: 8, 5: 9, 6: 10}
    places = [place for place, row in enumerate(order) if sources[row] == 7]
    assert sorted(order) == [1, 2, 3, 4, 5, 6]
    assert all(second - first > 1 for first, second in pairwise(places))


def test_lane_without_a_job_that_may_start_leaves_its_slot_to_another(settings: Settings) -> None:
    settings.MOODLE_CONCURRENCY = 2
    a_job(State.RUNNING, "RUNS", source_id=7)
    a_job(shortname="BLOCKED", source_id=7)
    batch = a_batch(1)
    dispatch()
    told = DuplicationJob.objects.get(state=State.QUEUED, dispatched_at__isnull=False)
    assert told.batch_id == batch.pk


def test_upcoming_jobs_are_in_the_order_of_dispatch() -> None:
    a_batch(3)
    singles(2)
    ids = lanes.upcoming(100)
    names = dict(DuplicationJob.objects.values_list("pk", "shortname"))
    assert [names[job_id] for job_id in ids] == next_names(9)


@pytest.mark.parametrize("dispatched", range(4))
def test_number_of_jobs_ahead_of_a_new_request_is_where_it_is_dispatched(dispatched: int) -> None:
    a_batch(2, "URGENT", priority=1)
    a_batch(9, "LONG")
    a_batch(1, "SHORT")
    a_batch(5, "LOW", priority=-1)
    a_batch(5, "PAUSED", paused_at=timezone.now())
    singles(3)
    next_names(dispatched)
    ahead = lanes.ahead_of_new_request()
    a_job(shortname="NEW", source_id=1000)
    assert next_names(30).index("NEW") == ahead


def test_waiting_job_says_that_its_batch_is_paused_or_outside_its_window(settings: Settings) -> None:
    settings.MOODLE_CONCURRENCY = 1
    batch = a_batch(1, paused_at=timezone.now())
    job = DuplicationJob.objects.get()
    from dupdash.duplication.models import MoodleHealth

    def says() -> str:
        return why_it_waits(job, Queue.before([job], MoodleHealth(), worker_running=True))

    assert says() == "Its batch is paused."
    with time_machine.travel(datetime(2027, 1, 1, 12, tzinfo=UTC), tick=False):
        Batch.objects.filter(pk=batch.pk).update(paused_at=None, window_start=time(20), window_end=time(6))
        assert says() == "Its batch starts copies only from 20:00 to 06:00."
