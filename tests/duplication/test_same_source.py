"""Several copies of one source: the course of one says nothing of another."""

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
    look,
    look_until_settled,
    run_worker,
    submit,
    until_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

LOOK = "core_course_get_courses_by_field"


def test_the_course_of_another_job_is_no_sign_of_a_restore(moodle: Moodle) -> None:
    """The second starts when the first one's course was seen, which takes the second one's likely name after that."""
    first, second = submit(shortname="ONE"), submit(shortname="TWO")
    seen_under_its_name = threading.Event()
    with moodle.held_at("hidden"), working_on(first):
        until_seen(first)
        dispatch.dispatch()
        with moodle.held_at("backup"), working_on(second):
            moodle.wait_for_step("backup", "TWO")
            with moodle.held_at("renamed"):
                moodle.gates.release("hidden")
                moodle.wait_for_step("renamed", "ONE")
                # The second one's driver looks under that name, and once more, so that the first look is written down.
                moodle.when(LOOK, lambda: moodle.when(LOOK, seen_under_its_name.set, about="AT&T_1"), about="AT&T_1")
                await_until(seen_under_its_name.is_set, "two looks under the likely name")
                second.refresh_from_db()
                assert (second.phase, second.restore_at, second.candidates) == (Phase.BACKUP, None, [])
                moodle.gates.release("renamed")
            moodle.gates.release()
    for job in (first, second):
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED


def test_an_unresolved_job_does_not_name_the_course_of_another_job(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    moodle.faults.set("killed_in_backup", count=1)
    lost = look_until_settled(run_worker(submit(shortname="LOST")), clock)
    assert lost.state == State.UNRESOLVED
    other = submit(shortname="OTHER")
    with moodle.held_at("hidden"), working_on(other):
        until_seen(other)
        with moodle.held_at("renamed"):
            moodle.gates.release("hidden")
            moodle.wait_for_step("renamed", "OTHER")
            look(lost, clock)
            moodle.gates.release()
    assert DuplicationJob.objects.get(pk=other.pk).state == State.SUCCEEDED
    assert lost.candidates == []


def test_a_candidate_that_turns_out_to_be_another_jobs_is_named_no_more(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    moodle.faults.set("killed_in_backup", count=1)
    lost = look_until_settled(run_worker(submit(shortname="LOST")), clock)
    theirs = moodle.add("AT&T_1")
    look(lost, clock)
    assert [candidate["id"] for candidate in lost.candidates] == [theirs.id]
    other = run_worker(submit(shortname="OTHER"))
    DuplicationJob.objects.filter(pk=other.pk).update(course_id=theirs.id)
    look(lost, clock)
    assert lost.candidates == []
