"""Tests that evidence from lookups during a database outage is stored later, because it may be the only proof."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from dupdash.duplication import jobs
from dupdash.duplication.drivers import synchronous
from dupdash.duplication.engine import recovery
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_until_ended,
    submit,
    timeline_of,
    wait_until_state,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"


class Away:
    """A database that does not store the driver's evidence while ``is_away`` is set."""

    def __init__(self) -> None:
        self.is_away = threading.Event()
        self.lost: list[Any] = []
        self._record = synchronous.record_evidence

    def record(self, job: DuplicationJob, facts: Any, **rest: Any) -> None:
        if self.is_away.is_set():
            self.lost.append(facts)
            raise OperationalError("the server closed the connection")
        self._record(job, facts, **rest)

    def back_soon(self) -> None:
        threading.Timer(0.5, self.is_away.clear).start()


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Away:
    away = Away()
    monkeypatch.setattr(synchronous, "record_evidence", away.record)
    return away


@contextmanager
def held_when_seen(moodle: Moodle, database: Away, job: DuplicationJob) -> Iterator[None]:
    """Hold a copy at the step in which only the driver has seen its course with the temporary name."""
    with moodle.held_at("backup", "renamed"), working_on(job):
        moodle.wait_for_step("backup")
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).sent_at, "the request to be sent")
        database.is_away.set()
        moodle.gates.release("backup")
        moodle.wait_for_step("renamed")
        await_until(lambda: any(facts.courses for facts in database.lost), "the course to be seen")
        yield
        moodle.gates.release()


def test_partial_course_is_known_after_an_outage_of_the_database(moodle: Moodle, clock: Clock, database: Away) -> None:
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    job = submit()
    with held_when_seen(moodle, database, job):
        database.back_soon()
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.likely_course_id) == (State.FAILED, partial.id), timeline_of(job)
    assert job.may_have_left_course


def test_sweep_gets_the_evidence_of_the_lost_worker(moodle: Moodle, clock: Clock, database: Away) -> None:
    """A sweep that recovers a job gets the evidence that the lost worker could not store before."""
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    job = submit()
    with held_when_seen(moodle, database, job):
        recovery.recover_worker_group("alone", at_fault=False)
        database.is_away.clear()
        wait_until_state(State.CHECKING, job)
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).likely_course_id, "the course to be recorded")
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.likely_course_id, job.may_have_left_course) == (partial.id, True), timeline_of(job)


def test_complete_copy_of_a_cancelled_job_is_deleted_after_an_outage(
    moodle: Moodle, clock: Clock, database: Away
) -> None:
    job = submit()

    def cancel_then_make_and_lose_the_answer() -> None:
        jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        connection.close()
        database.is_away.set()
        source = moodle.course("AT&T")
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1", sections=source.sections, origin="copy", complete=True)
        await_until(lambda: any(facts.courses for facts in database.lost), "the course to be seen")
        moodle.change(ours.id, shortname="NEW-1", fullname=job.fullname)
        await_until(lambda: any(facts.is_complete_in_moodle for facts in database.lost), "the copy to be seen")
        database.back_soon()

    moodle.answer_with(COPY, {}, after=cancel_then_make_and_lose_the_answer)
    with working_on(job):
        pass
    check_until_ended(job, clock)
    assert job.state == State.CANCELLED, timeline_of(job)
    assert moodle.made() == []
