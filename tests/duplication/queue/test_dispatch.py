"""Tests dispatch: which queued job gets a free slot."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from tests.duplication.support import (
    Background,
    Clock,
    Moodle,
    a_job,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    run_worker,
    submit,
    wait_until_course_is_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


@pytest.fixture(autouse=True)
def four_slots(settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 4


def dispatched() -> list[str]:
    """Return the short names of the dispatched jobs."""
    told = DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__isnull=False)
    return sorted(told.values_list("shortname", flat=True))


def queue(*shortnames: str, **columns: Any) -> None:
    """Queue jobs in this order, each with its own source."""
    for number, shortname in enumerate(shortnames):
        given = {"source_id": 1000 + number, "queued_at": timezone.now()} | columns
        a_job(State.QUEUED, shortname, **given)


def test_free_slots_are_filled_in_order() -> None:
    queue("A", "B", "C", "D", "E", "F")
    dispatch.dispatch()
    assert dispatched() == ["A", "B", "C", "D"]


def test_busy_jobs_use_slots() -> None:
    a_job(State.RUNNING, "R", source_id=1)
    a_job(State.CHECKING, "C", source_id=2)
    a_job(State.UNRESOLVED, "U", source_id=3)
    a_job(State.AWAITING_APPROVAL, "W", source_id=4)
    queue("A", "B", "X")
    dispatch.dispatch()
    assert dispatched() == ["A", "B"], "an unresolved job gave its place back, one that waits has none"


def test_repeated_dispatch_stays_within_the_limit() -> None:
    queue("A", "B", "C", "D", "E")
    for _ in range(3):
        dispatch.dispatch()
    assert len(dispatched()) == 4


def test_concurrent_dispatch_enqueues_each_job_once() -> None:
    queue("A", "B", "C", "D", "E", "F")
    start = threading.Barrier(4)

    def give_out() -> None:
        start.wait()
        dispatch.dispatch()

    dispatchers = [Background(give_out) for _ in range(4)]
    for dispatcher in dispatchers:
        dispatcher.start()
    for dispatcher in dispatchers:
        dispatcher.finish()
    assert dispatched() == ["A", "B", "C", "D"]


def test_scheduled_job_lets_others_pass(clock: Clock) -> None:
    a_job(State.QUEUED, "LATER", source_id=1, not_before=timezone.now() + timedelta(hours=1))
    queue("NOW")
    dispatch.dispatch()
    assert dispatched() == ["NOW"]
    clock.forward(3601)
    dispatch.dispatch()
    assert dispatched() == ["LATER", "NOW"]


def test_job_that_returns_to_the_queue_keeps_its_place(settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    a_job(State.QUEUED, "BACK", source_id=1, queued_at=timezone.now() - timedelta(minutes=5))
    queue("NEW", queued_at=timezone.now() - timedelta(minutes=1))
    dispatch.dispatch()
    assert dispatched() == ["BACK"]


def test_nothing_is_dispatched_while_paused() -> None:
    queue("A")
    MoodleHealth.current()
    MoodleHealth.objects.update(paused_at=timezone.now())
    dispatch.dispatch()
    assert dispatched() == []


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING])
def test_blocked_source_is_skipped(state: State) -> None:
    unseen = a_job(state, "UNSEEN", source_id=7, sent_at=timezone.now())
    a_job(State.QUEUED, "SAME", source_id=7)
    queue("OTHER")
    dispatch.dispatch()
    assert dispatched() == ["OTHER"]
    DuplicationJob.objects.filter(pk=unseen.pk).update(source_released_at=timezone.now())
    dispatch.dispatch()
    assert dispatched() == ["OTHER", "SAME"]


def test_one_of_several_copies_of_a_source_is_dispatched() -> None:
    queue("A", "B", source_id=7)
    dispatch.dispatch()
    assert dispatched() == ["A"]


def test_unresolved_copy_does_not_block_its_source() -> None:
    a_job(State.UNRESOLVED, "LOST", source_id=7, sent_at=timezone.now())
    queue("A", source_id=7)
    dispatch.dispatch()
    assert dispatched() == ["A"]


def test_database_refuses_a_second_unseen_copy_of_a_source() -> None:
    a_job(State.RUNNING, "A", source_id=7, sent_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        a_job(State.CHECKING, "B", source_id=7, sent_at=timezone.now())
    a_job(State.RUNNING, "C", source_id=7)


def test_job_with_a_blocked_source_returns_without_an_attempt(moodle: Moodle) -> None:
    """A dispatched job whose source is blocked by another copy returns to the queue without using up an attempt."""
    first, second = submit(shortname="ONE"), submit(shortname="TWO")
    with moodle.held_at("backup"), working_on(first):
        moodle.wait_for_step("backup")
        dispatch_again(second)
        run_worker(second)
        assert (second.state, second.attempts, second.sent_at) == (State.QUEUED, 0, None)
        assert reason(second, "source_busy").startswith("Another copy of the same source has started")
        assert "sent" not in kinds(second)
        assert second.dispatched_at is None
        moodle.gates.release()
    assert moodle.calls.asked["two"] == 0
    second.refresh_from_db()
    assert second.dispatched_at is not None, "the way is free"
    assert run_worker(second).state == State.SUCCEEDED


def test_next_copy_of_a_source_starts_when_the_course_is_seen(moodle: Moodle) -> None:
    first, second = submit(shortname="ONE"), submit(shortname="TWO")
    second.refresh_from_db()
    assert second.dispatched_at is None
    with moodle.held_at("renamed"), working_on(first):
        wait_until_course_is_seen(first)
        dispatch.dispatch()
        with working_on(second):
            moodle.wait_for_step("renamed", "TWO")
            moodle.gates.release()
    for job in (first, second):
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED
        assert job.course_id == moodle.course(job.shortname).id


def test_ended_job_frees_its_slot_for_the_next(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    first, second = submit("AT&T", "ONE"), submit("5>3", "TWO")
    assert dispatched() == ["ONE"]
    run_worker(first)
    assert dispatched() == ["TWO"]
    assert run_worker(second).state == State.SUCCEEDED


def test_many_copies_of_one_source_are_not_confused(moodle: Moodle, clock: Clock) -> None:
    """Eight copies of one source whose answers are lost in different ways are assigned to the right jobs (rule 4)."""
    faults = ["gateway_timeout", "empty", "truncated", "reset_after"]
    wanted = [submit(shortname=f"COPY-{number}") for number in range(8)]
    for number, job in enumerate(wanted):
        if number % 2:
            moodle.faults.set(faults[number // 2], count=1)
        dispatch_again(job)
        check_until_ended(run_worker(job), clock)
        moodle.wait_for_copies()
        check_until_ended(job, clock)
    assert {job.state for job in wanted} == {State.SUCCEEDED}
    assert [job.course_id for job in wanted] == [moodle.course(job.shortname).id for job in wanted]
    assert len(moodle.made()) == 8
