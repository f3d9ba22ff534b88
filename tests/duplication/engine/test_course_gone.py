"""A course that somebody deleted in Moodle while its job was looked up."""

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
    look,
    look_until_settled,
    run_proven,
    story,
    submit,
    until_in,
    until_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

COPY = "core_course_duplicate_course"


def test_it_does_not_succeed_with_a_copy_that_was_complete_and_is_gone(
    moodle: Moodle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy came between the sight of the whole copy and Moodle's answer, and somebody was quick to delete it."""
    monkeypatch.setattr(synchronous, "LOOKUPS_FOR_THE_ANSWER", 10**6)
    job = submit()
    over = threading.Event()

    def make_and_never_answer() -> None:
        source = moodle.course("AT&T")
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1", sections=source.sections, origin="copy", complete=True)
        until_seen(DuplicationJob.objects.get(pk=job.pk))
        connection.close()
        moodle.change(ours.id, shortname="NEW-1", fullname=job.fullname)
        over.wait(PATIENCE)

    moodle.answer_with(COPY, {}, after=make_and_never_answer)
    with working_on(job):
        await_until(lambda: evidence_of(DuplicationJob.objects.get(pk=job.pk)).is_there_complete, "the copy to be seen")
        recovery.release_worker_group("alone", at_fault=False)
        until_in(State.CHECKING, job)
        moodle.state.delete(moodle.course("NEW-1").id)
        look_until_settled(job, clock)
        over.set()
    assert (job.state, job.failure_code) == (State.FAILED, "course_gone"), story(job)


def test_it_does_not_say_that_a_partial_course_was_left_which_is_gone(moodle: Moodle, clock: Clock) -> None:
    """After an error the third look decides; the course was there at the second."""
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = run_proven(moodle)
    look(job, clock)
    look(job, clock)
    moodle.state.delete(moodle.made()[0].id)
    look_until_settled(job, clock)
    assert (job.state, job.failure_code) == (State.FAILED, "cannotrestore"), story(job)
    assert not job.left_partial_course
    assert not job.may_have_left_course
