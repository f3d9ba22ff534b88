"""Tests several copies of one source: the course of one job is no evidence for another job."""

import threading
from typing import Any

import pytest

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_next,
    check_until_ended,
    run_worker,
    submit,
    wait_until_course_is_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

LOOK = "core_course_get_courses_by_field"


def test_course_of_another_job_does_not_show_a_restore(moodle: Moodle) -> None:
    """The course of the first job, with its temporary name, does not count as the restore of the second job."""
    first, second = submit(shortname="ONE"), submit(shortname="TWO")
    seen_under_its_name = threading.Event()
    with moodle.held_at("renamed"), working_on(first):
        wait_until_course_is_seen(first)
        dispatch.dispatch()
        with moodle.held_at("backup"), working_on(second):
            moodle.wait_for_step("backup", "TWO")
            # The driver of the second job looks up this name twice. After the second lookup the first one is recorded.
            moodle.when(LOOK, lambda: moodle.when(LOOK, seen_under_its_name.set, about="AT&T_1"), about="AT&T_1")
            await_until(seen_under_its_name.is_set, "two lookups under the name of the first")
            second.refresh_from_db()
            assert (second.phase, second.restore_at, second.candidates) == (Phase.BACKUP, None, [])
            moodle.gates.release()
    for job in (first, second):
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED


def test_course_of_another_job_is_a_candidate_until_it_is_proven(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    moodle.faults.set("killed_in_backup", count=1)
    lost = check_until_ended(run_worker(submit(shortname="LOST")), clock)
    assert lost.state == State.UNRESOLVED
    other = submit(shortname="OTHER")
    with moodle.held_at("renamed"), working_on(other):
        wait_until_course_is_seen(other)
        check_next(lost, clock)
        assert [candidate["id"] for candidate in lost.candidates] == [moodle.made()[0].id]
        moodle.gates.release()
    check_next(lost, clock)
    assert DuplicationJob.objects.get(pk=other.pk).state == State.SUCCEEDED
    assert lost.candidates == []


def test_candidate_that_belongs_to_another_job_is_dropped(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    moodle.faults.set("killed_in_backup", count=1)
    lost = check_until_ended(run_worker(submit(shortname="LOST")), clock)
    theirs = moodle.add("AT&T_1")
    check_next(lost, clock)
    assert [candidate["id"] for candidate in lost.candidates] == [theirs.id]
    other = run_worker(submit(shortname="OTHER"))
    DuplicationJob.objects.filter(pk=other.pk).update(course_id=theirs.id)
    check_next(lost, clock)
    assert lost.candidates == []
