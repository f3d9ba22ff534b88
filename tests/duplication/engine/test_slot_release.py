"""Tests that a slot is free once Moodle has answered, and that the copy is confirmed later, even after a crash."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dupdash.duplication import tasks
from dupdash.duplication.drivers.copy_evidence import CourseSnapshot, Observation
from dupdash.duplication.drivers.copy_verdict import apply_observation
from dupdash.duplication.drivers.lookup import evidence_of, expected_copy_after_sending
from dupdash.duplication.engine import run
from dupdash.duplication.engine.confirmation import confirm
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from tests.duplication.race_conditions import expire_lease_long_ago, messages
from tests.duplication.support import (
    PATIENCE,
    Clock,
    Moodle,
    await_threads,
    check_until_ended,
    kinds,
    reason,
    run_worker,
    submit,
    timeline_of,
    wait_until_state,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"
CONTENTS, BY_FIELD = "core_course_get_contents", "core_course_get_courses_by_field"


@contextmanager
def confirmation_delayed(moodle: Moodle) -> Iterator[None]:
    """Delay reading the contents of copies until the end of the block, so that they cannot be confirmed before."""
    go_on = threading.Event()

    def hold_confirmation() -> None:
        moodle.when(CONTENTS, lambda: go_on.wait(PATIENCE))

    moodle.when(COPY, hold_confirmation)
    try:
        yield
    finally:
        go_on.set()


@pytest.fixture
def no_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers die right after they have stored Moodle's answer."""
    monkeypatch.setattr(run, "_record_later", lambda job, lease, outcome, held: held.close())


def test_slot_is_free_while_the_copy_is_confirmed(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    # The contents are first read by the confirmation.
    settings.FOLLOW_INTERVAL = 3600
    first, second = submit(), submit("BIO101-2026S1", "NEW-2")
    assert second.dispatched_at is None
    with confirmation_delayed(moodle):
        tasks.run_job(first.pk)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.state, first.moodle_done_at is None) == (State.RUNNING, False)
        assert evidence_of(first).answered == moodle.course("NEW-1").id
        assert second.dispatched_at is not None
    await_threads()
    wait_until_state(State.SUCCEEDED, first)
    assert first.proof == Proof.ANSWERED


def test_job_is_finished_by_the_sweep_after_a_crash(moodle: Moodle, clock: Clock, no_confirmation: None) -> None:
    job = run_worker(submit())
    assert (job.state, job.moodle_done_at is None) == (State.RUNNING, False)
    expire_lease_long_ago(job)
    tasks.sweep()
    assert check_until_ended(job, clock).state == State.SUCCEEDED, timeline_of(job)
    assert (job.course_id, job.proof) == (moodle.course("NEW-1").id, Proof.ANSWERED)
    assert kinds(job).count("sent") == 1


def test_worker_takes_the_next_job_in_line_itself(
    moodle: Moodle, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TASK_LONGEST", 300.0)
    settings.MOODLE_CONCURRENCY = 1
    waiting = [submit("BIO101-2026S1", f"NEW-{number}") for number in range(3)]
    before = messages()
    tasks.run_job(waiting[0].pk)
    await_threads()
    assert messages() == before, "nothing went through the queue"
    for job in waiting:
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED, timeline_of(job)
    started = list(DuplicationJob.objects.order_by("started_at").values_list("pk", flat=True))
    assert started == [job.pk for job in waiting]


def test_next_job_is_the_first_in_line_and_others_are_enqueued(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 0
    sources = ("AT&T", "BIO101-2026S1", "AT&T")
    first, second, third = (submit(source, f"NEW-{number}") for number, source in enumerate(sources))
    settings.MOODLE_CONCURRENCY = 3
    before = messages()
    assert dispatch.take_next() == first.pk
    assert messages() == before + 1
    for job in (first, second, third):
        job.refresh_from_db()
    assert [job.dispatched_at is not None for job in (first, second, third)] == [True, True, False]
    assert dispatch.take_next() is None


def test_worker_task_ends_after_its_limit(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    first, second = submit(), submit("BIO101-2026S1", "NEW-2")
    before = messages()
    run_worker(first)
    second.refresh_from_db()
    assert (second.state, messages()) == (State.QUEUED, before + 1)


def test_answer_is_kept_if_the_copy_cannot_be_confirmed(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.when(COPY, lambda: moodle.faults.set("html", function=BY_FIELD))
    run_worker(job)
    assert job.state == State.CHECKING
    assert job.moodle_done_at is not None
    copy = moodle.course("NEW-1")
    assert f"Moodle's answer names course {copy.id}, which cannot be confirmed now" in reason(job, "checking")
    moodle.faults.clear()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert (job.course_id, job.proof) == (copy.id, Proof.ANSWERED)


def test_hidden_copy_of_an_empty_source_is_confirmed_later(moodle: Moodle, clock: Clock) -> None:
    empty = moodle.add("EMPTY")
    job = submit("EMPTY", visible=False)
    moodle.when(COPY, lambda: moodle.faults.set("html", function=BY_FIELD))
    run_worker(job)
    assert job.state == State.CHECKING
    moodle.faults.clear()
    assert check_until_ended(job, clock).state == State.SUCCEEDED, timeline_of(job)
    assert not moodle.course("NEW-1").sections
    assert moodle.by_id(empty.id) is not None


def test_copy_that_should_be_visible_but_is_hidden_is_checked(
    moodle: Moodle, clock: Clock, no_confirmation: None
) -> None:
    job = run_worker(submit())
    moodle.change(moodle.course("NEW-1").id, visible=0)
    with open_client() as client:
        confirm(job, client, guard=None)
    assert "which is hidden, although a visible course was requested" in reason(job, "checking")
    assert check_until_ended(job, clock).state == State.SUCCEEDED, timeline_of(job)


def test_confirmation_names_another_course_with_the_same_names(moodle: Moodle, no_confirmation: None) -> None:
    job = run_worker(submit())
    ours, theirs = moodle.course("NEW-1"), moodle.add("NEW-1", fullname=job.fullname)
    with open_client() as client:
        shown = client.course_by_id(theirs.id)
        assert shown is not None
        seen = Observation(time.time(), (CourseSnapshot.from_course(shown),))
        evidence = apply_observation(evidence_of(job), expected_copy_after_sending(job), seen)
        job.evidence = evidence.to_json()
        job.save()
        confirm(job, client, guard=None)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert reason(job, "course_corrected") == (
        f"According to Moodle’s answer, course {ours.id} is the copy. "
        f"Course {theirs.id} has the same full name and short name, but it is not this copy."
    )


def test_answer_that_names_a_course_with_other_names_is_dropped(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    job = submit()
    other = moodle.add("OTHER")
    moodle.answer_with(COPY, {"id": other.id, "shortname": "NEW-1"})
    run_worker(job)
    assert "does not have the requested names" in reason(job, "checking")
    assert check_until_ended(job, clock).state == State.UNRESOLVED
    assert (job.course_id, job.candidates) == (None, [])
