"""Tests empty shells: dupdash deletes an empty course that an error left, and sends the request again at most twice."""

from collections.abc import Callable
from typing import Any

import pytest

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import ASYNCHRONOUS
from tests.duplication.support import (
    Clock,
    Moodle,
    check_next,
    check_until_ended,
    kinds,
    reason,
    run_worker,
    submit,
    timeline_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"
DELETE = "core_course_delete_courses"


def check_until(job: DuplicationJob, clock: Clock, *states: State) -> DuplicationJob:
    """Check a job repeatedly until it is in one of these states."""
    for _ in range(30):
        job.refresh_from_db()
        if job.state != State.CHECKING:
            break
        check_next(job, clock)
    assert job.state in states, timeline_of(job)
    return job


def job_with_shell(moodle: Moodle, **wish: Any) -> DuplicationJob:
    moodle.faults.set("disturbed", count=1)
    job = run_worker(submit(**wish))
    assert job.state == State.CHECKING, timeline_of(job)
    return job


@pytest.mark.parametrize("visible", [True, False])
def test_shell_is_deleted_and_the_request_sent_again(moodle: Moodle, clock: Clock, visible: bool) -> None:
    job = job_with_shell(moodle, visible=visible)
    (shell,) = moodle.made()
    check_until(job, clock, State.QUEUED)
    assert moodle.made() == []
    assert (job.course_id, job.sent_at, job.moodle_done_at, job.checking_since) == (None, None, None, None)
    assert f"id {shell.id}" in reason(job, "shell_found")
    assert "sends the request again (repetition 1 of at most 2)" in reason(job, "shell_deleted")
    assert job.dispatched_at is not None, "it keeps its place in the queue"
    assert run_worker(job).state == State.SUCCEEDED, timeline_of(job)
    assert [course.complete for course in moodle.named("NEW-1")] == [True]
    assert kinds(job).count("sent") == 2


def test_request_is_sent_three_times_at_most(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("disturbed")
    job = submit()
    for _ in range(2):
        run_worker(job)
        check_until(job, clock, State.QUEUED)
    run_worker(job)
    check_until_ended(job, clock)
    (left,) = moodle.made()
    assert (job.state, job.left_partial_course, job.course_id) == (State.FAILED, True, left.id)
    assert moodle.calls.asked["new-1"] == 3
    assert kinds(job).count("shell_deleted") == 2


def test_setting_turns_the_cleanup_off(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.EMPTY_SHELL_CLEANUP = False
    job = job_with_shell(moodle)
    check_until_ended(job, clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True)
    assert len(moodle.made()) == 1


def test_token_that_may_not_delete_is_named_on_the_event(moodle: Moodle, clock: Clock) -> None:
    moodle.switches.withdrawn = frozenset({DELETE})
    job = job_with_shell(moodle)
    check_until_ended(job, clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True)
    assert DELETE in reason(job, "shell_kept")
    assert DELETE in reason(job, "failed")


def test_account_that_may_not_delete_is_named_on_the_event(moodle: Moodle, clock: Clock) -> None:
    job = job_with_shell(moodle)
    warning = {"item": "course", "itemid": 1, "warningcode": "cannotdeletecourse", "message": "You may not."}
    moodle.answer_with(DELETE, {"warnings": [warning]})
    check_until_ended(job, clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True)
    assert "You may not." in reason(job, "shell_kept")
    assert moodle.calls.asked["new-1"] == 1


@pytest.mark.parametrize(
    "change", [{"visible": 1}, {"fullname": "Mine now"}, {"categoryid": 3}, {"startdate": 1_796_000_000}]
)
def test_shell_that_somebody_changed_is_not_deleted(moodle: Moodle, clock: Clock, change: dict[str, Any]) -> None:
    """An empty course that somebody has changed is not deleted."""
    job = job_with_shell(moodle)
    (shell,) = moodle.made()
    for _ in range(2):
        check_next(job, clock)
    moodle.change(shell.id, **change)
    check_until_ended(job, clock)
    assert job.state == State.FAILED, timeline_of(job)
    assert [course.id for course in moodle.made()] == [shell.id]
    assert moodle.called[DELETE] == 0


@pytest.mark.parametrize("change", ["contents", "start date"])
def test_shell_that_changes_between_check_and_deletion_is_not_deleted(
    moodle: Moodle, clock: Clock, change: str
) -> None:
    job = job_with_shell(moodle)
    (shell,) = moodle.made()

    def fill() -> None:
        if change == "contents":
            moodle.change(shell.id, sections=moodle.state.new_sections(4))
        else:
            moodle.change(shell.id, startdate=1_796_000_000)

    def fill_when_found() -> None:
        # A check looks up the id before and after it reads the contents. The third lookup precedes the deletion.
        for _ in range(2):
            moodle.when("core_course_get_courses_by_field", lambda: None, about=str(shell.id))
        moodle.when("core_course_get_courses_by_field", fill, about=str(shell.id))

    for _ in range(2):
        check_next(job, clock)
    fill_when_found()
    check_until_ended(job, clock)
    assert job.state == State.FAILED, timeline_of(job)
    assert f"has {'' if change == 'contents' else 'a '}{change} now" in reason(job, "shell_kept")
    assert moodle.called[DELETE] == 0


def test_shell_is_kept_when_the_answer_was_lost(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = run_worker(submit())
    check_until_ended(job, clock, unresolved_too=True)
    assert (job.state, job.failure_code) == (State.FAILED, "partial_course")
    assert "shell_found" not in kinds(job)
    assert len(moodle.made()) == 1


def test_shell_is_kept_while_another_course_may_be_the_copy(moodle: Moodle, clock: Clock) -> None:
    moodle.when(COPY, lambda: moodle.add("AT&T_1", fullname="AT&T copy 1", visible=1))
    job = job_with_shell(moodle)
    check_until_ended(job, clock)
    assert job.state == State.FAILED, timeline_of(job)
    assert len(moodle.made()) == 1


@pytest.mark.parametrize("gone", [True, False])
def test_lost_answer_of_the_deletion_is_looked_up(moodle: Moodle, clock: Clock, gone: bool) -> None:
    job = job_with_shell(moodle)
    moodle.faults.set("reset_after" if gone else "reset_before", count=1, function=DELETE)
    check_until(job, clock, State.QUEUED)
    assert moodle.made() == []
    assert run_worker(job).state == State.SUCCEEDED, timeline_of(job)


def test_deletion_is_finished_after_the_worker_died_during_it(
    moodle: Moodle, client_of: MoodleClient, clock: Clock
) -> None:
    job = job_with_shell(moodle)
    (shell,) = moodle.made()
    for _ in range(2):
        check_next(job, clock)
    # The state in which the dead worker left the job.
    DuplicationJob.objects.filter(pk=job.pk).update(shell_course_id=shell.id)
    client_of.delete_course(shell.id)
    check_until(job, clock, State.QUEUED)
    assert run_worker(job).state == State.SUCCEEDED, timeline_of(job)


def test_cancelled_job_ends_when_its_shell_is_deleted(moodle: Moodle, clock: Clock) -> None:
    job = job_with_shell(moodle)
    jobs.cancel(job, actor=None)
    check_until(job, clock, State.CANCELLED)
    assert moodle.made() == []
    assert moodle.calls.asked["new-1"] == 1


def test_job_that_is_cancelled_during_the_deletion_is_not_sent_again(moodle: Moodle, clock: Clock) -> None:
    job = job_with_shell(moodle)
    moodle.when(DELETE, lambda: jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None))
    check_until(job, clock, State.CANCELLED)
    assert moodle.calls.asked["new-1"] == 1


def test_request_is_not_sent_again_if_the_name_was_taken(moodle: Moodle, clock: Clock) -> None:
    job = job_with_shell(moodle)
    moodle.when(DELETE, lambda: moodle.add("NEW-1"))
    check_until(job, clock, State.QUEUED)
    assert run_worker(job).state == State.FAILED
    assert job.failure_code == "shortnametaken"
    assert moodle.calls.asked["new-1"] == 1


def test_asynchronous_driver_keeps_the_shell(moodle: Moodle, clock: Clock) -> None:
    job = job_with_shell(moodle)
    DuplicationJob.objects.filter(pk=job.pk).update(driver=ASYNCHRONOUS)
    check_until_ended(job, clock)
    assert (job.state, len(moodle.made())) == (State.FAILED, 1)


def test_other_courses_are_never_deleted(moodle: Moodle, clock: Clock) -> None:
    before: Callable[[], set[int]] = lambda: {course.id for course in moodle.state.courses()}  # noqa: E731
    there = before()
    job = job_with_shell(moodle)
    check_until(job, clock, State.QUEUED)
    assert before() == there
