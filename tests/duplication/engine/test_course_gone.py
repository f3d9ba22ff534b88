"""Tests jobs whose course somebody deletes in Moodle while the job is checked."""

import threading

import pytest
from django.db import connection

from dupdash.duplication.drivers import synchronous
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import recovery
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import (
    PATIENCE,
    Clock,
    Moodle,
    await_until,
    check_next,
    check_until_ended,
    run_proven,
    submit,
    timeline_of,
    wait_until_course_is_seen,
    wait_until_state,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"


def test_job_fails_when_its_complete_copy_was_deleted(
    moodle: Moodle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job fails if its complete copy was seen and then deleted by somebody before the job was finished."""
    monkeypatch.setattr(synchronous, "LOOKUPS_FOR_THE_ANSWER", 10**6)
    job = submit()
    over = threading.Event()

    def make_and_never_answer() -> None:
        source = moodle.course("AT&T")
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1", sections=source.sections, origin="copy", complete=True)
        wait_until_course_is_seen(DuplicationJob.objects.get(pk=job.pk))
        connection.close()
        moodle.change(ours.id, shortname="NEW-1", fullname=job.fullname)
        over.wait(PATIENCE)

    moodle.answer_with(COPY, {}, after=make_and_never_answer)
    with working_on(job):
        await_until(
            lambda: evidence_of(DuplicationJob.objects.get(pk=job.pk)).is_complete_in_moodle, "the copy to be seen"
        )
        recovery.recover_worker_group("alone", at_fault=False)
        wait_until_state(State.CHECKING, job)
        moodle.state.delete(moodle.course("NEW-1").id)
        check_until_ended(job, clock)
        over.set()
    assert (job.state, job.failure_code) == (State.FAILED, "course_gone"), timeline_of(job)


def test_deleted_partial_course_is_not_reported_as_left(moodle: Moodle, clock: Clock) -> None:
    """A partial course that somebody deleted between two checks is not reported as left in Moodle."""
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = run_proven(moodle)
    check_next(job, clock)
    check_next(job, clock)
    moodle.state.delete(moodle.made()[0].id)
    check_until_ended(job, clock)
    assert (job.state, job.failure_code) == (State.FAILED, "cannotrestore"), timeline_of(job)
    assert not job.left_partial_course
    assert not job.may_have_left_course
