"""Tests cancelling a job in each of its states, and which courses this deletes in Moodle."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import TERMINAL, State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.sandbox.accounts import LIMITED_TOKEN, MANAGER_TOKEN
from tests.duplication.support import (
    Background,
    Clock,
    Moodle,
    a_job,
    await_until,
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    refusal,
    run_worker,
    submit,
    timeline_of,
    wait_until_course_is_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

DELETE = "core_course_delete_courses"
LOOK = "core_course_get_courses_by_field"


def cancel(job: DuplicationJob, actor: User | None = None) -> None:
    job.refresh_from_db()
    jobs.cancel(job, actor=actor)


def cancelled_while_running(moodle: Moodle, **wish: Any) -> DuplicationJob:
    """Create a job that was cancelled during its restore. Moodle continues the copy."""
    job = submit(**wish)
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        cancel(job)
        assert (job.state, job.events.last() and kinds(job)[-1]) == (State.RUNNING, "cancel_requested")
        assert "deletes the copy when Moodle has finished it" in reason(job, "cancel_requested")
        moodle.gates.release()
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("state", [State.QUEUED, State.AWAITING_APPROVAL])
def test_unsent_job_is_cancelled_at_once(state: State, administrator: User) -> None:
    job = a_job(state)
    cancel(job, administrator)
    assert job.state == State.CANCELLED
    assert job.finished_at is not None
    event = job.events.get(kind="cancelled")
    assert (event.actor, event.reason) == (administrator, "Cancelled before the copy was started.")


def test_cancelled_job_frees_its_slot(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    first, second = submit("AT&T", "ONE"), submit("5>3", "TWO")
    cancel(first)
    second.refresh_from_db()
    assert second.dispatched_at is not None


def test_cancelled_dispatched_job_does_not_run(moodle: Moodle) -> None:
    job = submit()
    cancel(job)
    assert run_worker(job).state == State.CANCELLED
    assert moodle.calls.asked["new-1"] == 0


def test_copy_of_a_cancelled_running_job_is_deleted(moodle: Moodle) -> None:
    job = cancelled_while_running(moodle)
    assert job.state == State.CANCELLED
    assert moodle.made() == []
    assert reason(job, "cancelled_copy_deleted").startswith(
        f"Cancelled. Course {job.course_id}, “{job.fullname}” (NEW-1), was delet"
    )
    assert job.course_deleted_at is not None


def test_cancelled_job_that_started_nothing_deletes_nothing(moodle: Moodle, settings: Any) -> None:
    """Cancelling a job between claim and sending deletes no course if the request then could not be sent."""
    job = submit()
    moodle.faults.set("storedfilenotcreated")
    moodle.when(LOOK, lambda: cancel_elsewhere(job), about="AT&T_3")
    run_worker(job)
    assert job.state == State.CANCELLED
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."


def test_job_that_is_cancelled_before_sending_is_not_sent(moodle: Moodle) -> None:
    job = submit()
    moodle.when(LOOK, lambda: cancel_elsewhere(job), about="AT&T_3")
    run_worker(job)
    assert job.state == State.CANCELLED
    assert kinds(job) == ["submitted", "started", "cancel_requested", "cancelled"]
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."
    assert moodle.calls.asked["new-1"] == 0


def cancel_elsewhere(job: DuplicationJob) -> None:
    with Background(lambda: cancel(DuplicationJob.objects.get(pk=job.pk))):
        pass


def test_copy_of_a_cancelled_checked_job_is_deleted(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("hidden"):
        run_worker(job)
        assert job.state == State.CHECKING
        cancel(job)
        assert check_next(job, clock).state == State.CHECKING, "Moodle is not done"
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_late_copy_of_a_cancelled_unresolved_job_is_deleted(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        check_until_ended(run_worker(job), clock)
        assert job.state == State.UNRESOLVED
        cancel(job)
        assert job.state == State.UNRESOLVED
    moodle.wait_for_copies()
    assert check_until_ended(job, clock, unresolved_too=True).state == State.CANCELLED
    assert moodle.made() == []


def test_partial_course_of_a_cancelled_job_is_left_to_a_person(moodle: Moodle, clock: Clock) -> None:
    """Cancelling deletes only a finished copy. A partial course stays, and its page shows it to an administrator."""
    moodle.faults.set("exception_in_restore", step="renamed", count=1)
    job = check_until_ended(cancelled_while_running(moodle), clock)
    assert job.state == State.FAILED
    assert job.may_have_left_course
    assert len(moodle.made()) == 1


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_ended_job_cannot_be_cancelled(state: State) -> None:
    job = a_job(state)
    with pytest.raises(CannotDo, match="has ended"):
        cancel(job)


def test_cancelled_job_cannot_be_cancelled_again(moodle: Moodle) -> None:
    job = a_job(State.RUNNING, cancel_requested_at=timezone.now())
    with pytest.raises(CannotDo, match=r"is cancelled already\. .*dupdash deletes the copy when Moodle has"):
        cancel(job)


def test_refusal_of_a_second_cancellation_says_that_the_plugin_stops_the_copy(moodle: Moodle) -> None:
    job = a_job(State.RUNNING, driver="plugin", cancel_requested_at=timezone.now())
    with pytest.raises(CannotDo, match=r"is cancelled already\. Moodle stops the copy and deletes the new course\."):
        cancel(job)


def test_person_without_permission_cannot_cancel(faculty: User) -> None:
    job = a_job(State.QUEUED)
    with pytest.raises(NotAllowed):
        cancel(job, faculty)
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_cancel_is_refused_when_the_job_moves_at_this_moment() -> None:
    job = a_job(State.QUEUED)
    seen = DuplicationJob.objects.get(pk=job.pk)
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
    job.events.create(kind="started", from_state="queued", to_state="running", reason="A test.")
    with pytest.raises(CannotDo, match="changed at the same moment"):
        jobs.cancel(seen, actor=None)
    job.refresh_from_db()
    assert (job.state, job.cancel_requested_at) == (State.RUNNING, None)


# --- Courses that must not be deleted --------------------------------------------------------------------------


def reason_why_copy_stays(job: DuplicationJob, moodle: Moodle, *, in_use: bool = False) -> str:
    """Assert that the copy is not deleted, and return the reason that the event gives.

    The event tells people to delete the copy themselves, unless somebody is using it.
    """
    assert job.state == State.SUCCEEDED
    (copy,) = moodle.made()
    assert job.course_id == copy.id
    told = reason(job, "cancelled_copy_kept")
    assert told.startswith("The copy was not deleted: ")
    assert told.endswith(f" Delete course {copy.id} in Moodle.") is not in_use
    return told


def test_event_says_that_the_token_may_not_delete(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    assert "Access control exception" in reason_why_copy_stays(cancelled_while_running(moodle), moodle)


def test_event_says_that_the_account_may_not_delete(moodle: Moodle) -> None:
    moodle.answer_once(DELETE, "nopermissions", "Sorry, but you do not currently have permissions to do that.")
    assert "permissions" in reason_why_copy_stays(cancelled_while_running(moodle), moodle)


def test_renamed_copy_is_not_deleted(moodle: Moodle, settings: Any) -> None:
    """The copy of a cancelled job is not deleted if a person renamed it before the last check."""
    settings.FOLLOW_INTERVAL = 3600
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        cancel(job)
        (copy,) = moodle.made()
        # The first lookup confirms the answer. The second one is made before the deletion.
        moodle.when(LOOK, lambda: None, about=str(copy.id))
        moodle.when(LOOK, lambda: moodle.change(copy.id, shortname="MINE-NOW"), about=str(copy.id))
        moodle.gates.release()
    job.refresh_from_db()
    assert "was renamed to “MINE-NOW”, so somebody is using it" in reason_why_copy_stays(job, moodle, in_use=True)


def test_deletion_is_retried_when_moodle_was_unreachable(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("reset_before", function=DELETE, count=1)
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert reason(job, "checking").startswith("It is not known whether the copy was deleted: ")
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_deletion_is_retried_after_a_maintenance(moodle: Moodle, clock: Clock) -> None:
    moodle.answer_once(DELETE, "sitemaintenance", "The site is undergoing maintenance")
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert reason(job, "checking").startswith("The copy is not deleted yet: ")
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_copy_is_gone_when_the_answer_to_the_deletion_was_lost(moodle: Moodle) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    job = cancelled_while_running(moodle)
    assert (job.state, moodle.made()) == (State.CANCELLED, [])
    assert "was deleted in Moodle" in reason(job, "cancelled_copy_deleted")


def test_deletion_is_confirmed_by_a_later_check(moodle: Moodle, clock: Clock) -> None:
    """If the answer to the deletion and to the lookup after it are lost, a later check confirms the deletion."""
    moodle.faults.set("html", function=DELETE, count=1)
    moodle.when(DELETE, lambda: moodle.faults.set("html", function="core_course_get_courses_by_field"))
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert moodle.made() == []
    moodle.faults.clear()
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert "no longer finds" in reason(job, "cancelled_copy_deleted")


def test_deletion_waits_for_the_end_of_maintenance(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Maintenance mode delays the deletion of a copy: the copy is deleted when the site works again."""

    def close() -> None:
        moodle.switches.maintenance = True

    settings.MOODLE_TOKEN = MANAGER_TOKEN
    moodle.when(DELETE, close)
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert check_next(job, clock).state == State.CHECKING
    moodle.switches.maintenance = False
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_repeated_failures_end_the_deletion(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 600
    moodle.faults.set("reset_before", function=DELETE)
    job = check_until_ended(cancelled_while_running(moodle), clock)
    assert job.state in (State.SUCCEEDED, State.UNRESOLVED)
    assert f"course {job.course_id}" in job.events.last().reason.lower()  # type: ignore[union-attr]


def test_event_says_that_an_unresolved_copy_cannot_be_deleted(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        check_until_ended(run_worker(job), clock)
        assert job.state == State.UNRESOLVED
        cancel(job)
    moodle.wait_for_copies()
    moodle.faults.set("reset_before", function=DELETE)
    assert check_next(job, clock).state == State.UNRESOLVED, "it may pass"
    check_until_ended(job, clock, unresolved_too=True)
    reason_why_copy_stays(job, moodle)


def test_late_copy_gets_several_deletion_attempts(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        check_until_ended(run_worker(job), clock)
        cancel(job)
        for _ in range(8):
            check_next(job, clock)
    moodle.wait_for_copies()
    moodle.faults.set("reset_before", function=DELETE, count=1)
    assert check_until_ended(job, clock, unresolved_too=True).state == State.CANCELLED
    assert moodle.made() == []


def test_copy_is_deleted_when_cancelled_at_the_end(moodle: Moodle, settings: Any) -> None:
    """A copy is deleted if its job is cancelled after Moodle's answer but before the job has succeeded."""
    settings.FOLLOW_INTERVAL = 3600
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        # The contents are read once more only, for the verification.
        moodle.when("core_course_get_contents", lambda: cancel_elsewhere(job))
        moodle.gates.release()
    job.refresh_from_db()
    assert "cancel_requested" in kinds(job)
    assert job.state == State.CANCELLED
    assert moodle.made() == []


def test_unproven_course_is_never_deleted(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """An unproven course is never deleted, because it may belong to somebody else."""
    settings.WATCH_INTERVAL = 3600
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("killed_in_restore", count=1)
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        moodle.wait_for_step("renamed")
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).sent_at, "the request to be sent")
        cancel(job)
        moodle.gates.release()
    check_until_ended(job, clock)
    assert job.state == State.UNRESOLVED
    (partial,) = moodle.made()
    assert [candidate["id"] for candidate in job.candidates] == [partial.id]


def test_cancelled_job_is_not_dispatched_again(moodle: Moodle) -> None:
    job = submit()
    cancel(job)
    dispatch.dispatch()
    dispatch_again(job)
    assert run_worker(job).state == State.CANCELLED


def test_cancelled_job_does_not_fail_at_its_last_attempt(moodle: Moodle, settings: Any) -> None:
    settings.RETRY_ATTEMPTS = 1
    job = submit()

    def cancel_it() -> None:
        jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        connection.close()

    moodle.answer_with("core_course_duplicate_course", refusal("storedfilenotcreated"), after=cancel_it)
    assert run_worker(job).state == State.CANCELLED, timeline_of(job)
