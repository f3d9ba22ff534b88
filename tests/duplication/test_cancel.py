"""Stopping a job in each of its states; what is deleted in Moodle, and what never."""

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
from dupdash.sandbox.accounts import LIMITED_TOKEN, MANAGER_TOKEN
from tests.duplication.support import (
    Background,
    Clock,
    Moodle,
    a_job,
    await_until,
    kinds,
    look,
    look_until_settled,
    reason,
    refusal,
    run_worker,
    story,
    submit,
    told_again_at_once,
    until_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

DELETE = "core_course_delete_courses"
LOOK = "core_course_get_courses_by_field"


def cancel(job: DuplicationJob, actor: User | None = None) -> None:
    job.refresh_from_db()
    jobs.cancel(job, actor=actor)


def cancelled_while_running(moodle: Moodle, **wish: Any) -> DuplicationJob:
    """A job whose end was asked for in the middle of its restore; Moodle goes on."""
    job = submit(**wish)
    with moodle.held_at("renamed"), working_on(job):
        until_seen(job)
        cancel(job)
        assert (job.state, job.events.last() and kinds(job)[-1]) == (State.RUNNING, "cancel_requested")
        assert "will be removed when Moodle is done" in reason(job, "cancel_requested")
        moodle.gates.release()
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("state", [State.QUEUED, State.AWAITING_APPROVAL])
def test_it_ends_at_once_what_was_not_started(state: State, administrator: User) -> None:
    job = a_job(state)
    cancel(job, administrator)
    assert job.state == State.CANCELLED
    assert job.finished_at is not None
    event = job.events.get(kind="cancelled")
    assert (event.actor, event.reason) == (administrator, "Cancelled before anything was started.")


def test_it_gives_the_place_in_line_to_the_next(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    first, second = submit("AT&T", "ONE"), submit("5>3", "TWO")
    cancel(first)
    second.refresh_from_db()
    assert second.dispatched_at is not None


def test_it_does_not_run_what_was_cancelled_after_a_worker_was_told(moodle: Moodle) -> None:
    job = submit()
    cancel(job)
    assert run_worker(job).state == State.CANCELLED
    assert moodle.calls.asked["new-1"] == 0


def test_it_removes_the_copy_of_a_running_job_when_moodle_is_done(moodle: Moodle) -> None:
    job = cancelled_while_running(moodle)
    assert job.state == State.CANCELLED
    assert moodle.made() == []
    assert reason(job, "removed").startswith(f"Cancelled. Course {job.course_id}, “{job.fullname}” (NEW-1), was delet")
    assert job.course_deleted_at is not None


def test_it_removes_nothing_where_nothing_was_started(moodle: Moodle, settings: Any) -> None:
    """Cancelled between the claim and the sending, which then failed."""
    job = submit()
    moodle.faults.set("storedfilenotcreated")
    moodle.when(LOOK, lambda: cancel_elsewhere(job), about="AT&T_3")
    run_worker(job)
    assert job.state == State.CANCELLED
    assert reason(job, "cancelled") == "Nothing had been started."


def test_it_sends_nothing_that_was_cancelled_before_sending(moodle: Moodle) -> None:
    job = submit()
    moodle.when(LOOK, lambda: cancel_elsewhere(job), about="AT&T_3")
    run_worker(job)
    assert job.state == State.CANCELLED
    assert kinds(job) == ["submitted", "started", "cancel_requested", "cancelled"]
    assert reason(job, "cancelled") == "Nothing had been started."
    assert moodle.calls.asked["new-1"] == 0


def cancel_elsewhere(job: DuplicationJob) -> None:
    with Background(lambda: cancel(DuplicationJob.objects.get(pk=job.pk))):
        pass


def test_it_removes_the_copy_of_a_job_that_is_being_looked_up(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("hidden"):
        run_worker(job)
        assert job.state == State.CHECKING
        cancel(job)
        assert look(job, clock).state == State.CHECKING, "Moodle is not done"
    moodle.wait_for_copies()
    assert look_until_settled(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_it_removes_the_copy_of_an_unresolved_job_that_turns_up_late(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        look_until_settled(run_worker(job), clock)
        assert job.state == State.UNRESOLVED
        cancel(job)
        assert job.state == State.UNRESOLVED
    moodle.wait_for_copies()
    assert look_until_settled(job, clock, unresolved_too=True).state == State.CANCELLED
    assert moodle.made() == []


def test_it_leaves_a_partial_course_for_a_person_to_delete(moodle: Moodle, clock: Clock) -> None:
    """Cancelling deletes finished copies; what broke in the middle is shown like any partial course."""
    moodle.faults.set("exception_in_restore", step="renamed", count=1)
    job = look_until_settled(cancelled_while_running(moodle), clock)
    assert job.state == State.FAILED
    assert job.may_have_left_course
    assert len(moodle.made()) == 1


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_it_cannot_cancel_what_has_ended(state: State) -> None:
    job = a_job(state)
    with pytest.raises(jobs.CannotDo, match="has ended"):
        cancel(job)


def test_it_says_so_when_it_was_cancelled_before(moodle: Moodle) -> None:
    job = a_job(State.RUNNING, cancel_requested_at=timezone.now())
    with pytest.raises(jobs.CannotDo, match="will be removed already"):
        cancel(job)


def test_it_does_nothing_for_somebody_who_may_not(faculty: User) -> None:
    job = a_job(State.QUEUED)
    with pytest.raises(NotAllowed):
        cancel(job, faculty)
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_it_says_so_when_the_job_moved_at_the_same_moment() -> None:
    job = a_job(State.QUEUED)
    seen = DuplicationJob.objects.get(pk=job.pk)
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
    job.events.create(kind="started", from_state="queued", to_state="running", reason="A test.")
    with pytest.raises(jobs.CannotDo, match="changed this job at the same moment"):
        jobs.cancel(seen, actor=None)
    job.refresh_from_db()
    assert (job.state, job.cancel_requested_at) == (State.RUNNING, None)


# --- what may not be removed -------------------------------------------------------------------------------


def stays_and_is_told(job: DuplicationJob, moodle: Moodle) -> str:
    """The copy is there, the job says that it is and why."""
    assert job.state == State.SUCCEEDED
    (copy,) = moodle.made()
    assert job.course_id == copy.id
    told = reason(job, "not_removed")
    assert told.startswith("The copy was to be removed, but could not be: ")
    assert told.endswith(f"Delete course {copy.id} in Moodle.")
    return told


def test_it_says_so_where_the_service_has_no_deleting(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    assert "Access control exception" in stays_and_is_told(cancelled_while_running(moodle), moodle)


def test_it_says_so_where_the_account_may_not_delete(moodle: Moodle) -> None:
    moodle.answer_once(DELETE, "nopermissions", "Sorry, but you do not currently have permissions to do that.")
    assert "permissions" in stays_and_is_told(cancelled_while_running(moodle), moodle)


def test_it_does_not_delete_a_copy_that_somebody_renamed_meanwhile(moodle: Moodle, settings: Any) -> None:
    """It was complete, and before it was looked at for the last time a person had taken it over."""
    settings.FOLLOW_INTERVAL = 3600
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        until_seen(job)
        cancel(job)
        (copy,) = moodle.made()
        # The first look confirms the answer, the second is the one before deleting.
        moodle.when(LOOK, lambda: None, about=str(copy.id))
        moodle.when(LOOK, lambda: moodle.change(copy.id, shortname="MINE-NOW"), about=str(copy.id))
        moodle.gates.release()
    job.refresh_from_db()
    assert "was renamed to “MINE-NOW”: somebody works with it" in stays_and_is_told(job, moodle)


def test_it_tries_again_where_moodle_could_not_be_reached_for_deleting(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("reset_before", function=DELETE, count=1)
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert look_until_settled(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_copy_is_removed_at_once_though_the_answer_to_deleting_was_lost(moodle: Moodle) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    job = cancelled_while_running(moodle)
    assert (job.state, moodle.made()) == (State.CANCELLED, [])
    assert "was deleted in Moodle" in reason(job, "removed")


def test_copy_is_found_gone_later_where_nothing_could_be_looked_up(moodle: Moodle, clock: Clock) -> None:
    """The answer to deleting is lost, and so is that of the lookup after it."""
    moodle.faults.set("html", function=DELETE, count=1)
    moodle.when(DELETE, lambda: moodle.faults.set("html", function="core_course_get_courses_by_field"))
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert moodle.made() == []
    moodle.faults.clear()
    assert look_until_settled(job, clock).state == State.CANCELLED
    assert "already gone" in reason(job, "removed")


def test_it_waits_where_the_site_goes_into_maintenance_before_deleting(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    """A fault of configuration is no refusal: it will be fixed, and then the copy is removed."""

    def close() -> None:
        moodle.switches.maintenance = True

    settings.MOODLE_TOKEN = MANAGER_TOKEN
    moodle.when(DELETE, close)
    job = cancelled_while_running(moodle)
    assert job.state == State.CHECKING
    assert look(job, clock).state == State.CHECKING
    moodle.switches.maintenance = False
    assert look_until_settled(job, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_it_does_not_look_for_ever_where_deleting_breaks_every_time(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 600
    moodle.faults.set("reset_before", function=DELETE)
    job = look_until_settled(cancelled_while_running(moodle), clock)
    assert job.state in (State.SUCCEEDED, State.UNRESOLVED)
    assert f"course {job.course_id}" in job.events.last().reason.lower()  # type: ignore[union-attr]


def test_it_says_so_where_the_copy_of_an_unresolved_job_cannot_be_deleted_again_and_again(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        look_until_settled(run_worker(job), clock)
        assert job.state == State.UNRESOLVED
        cancel(job)
    moodle.wait_for_copies()
    moodle.faults.set("reset_before", function=DELETE)
    assert look(job, clock).state == State.UNRESOLVED, "it may pass"
    look_until_settled(job, clock, unresolved_too=True)
    stays_and_is_told(job, moodle)


def test_it_tries_to_delete_more_than_once_however_late_the_copy_turned_up(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("backup"):
        look_until_settled(run_worker(job), clock)
        cancel(job)
        for _ in range(8):
            look(job, clock)
    moodle.wait_for_copies()
    moodle.faults.set("reset_before", function=DELETE, count=1)
    assert look_until_settled(job, clock, unresolved_too=True).state == State.CANCELLED
    assert moodle.made() == []


def test_it_removes_the_copy_when_it_is_cancelled_at_the_very_end(moodle: Moodle, settings: Any) -> None:
    """Between the answer and the last word: whoever was told that it will be removed must not find it."""
    settings.FOLLOW_INTERVAL = 3600
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        until_seen(job)
        # Contents are asked for once more only: to verify.
        moodle.when("core_course_get_contents", lambda: cancel_elsewhere(job))
        moodle.gates.release()
    job.refresh_from_db()
    assert "cancel_requested" in kinds(job)
    assert job.state == State.CANCELLED
    assert moodle.made() == []


def test_it_never_deletes_a_course_without_proof(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Its hidden row was never seen, and PHP died: what is there may be somebody's own."""
    settings.WATCH_INTERVAL = 3600
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("killed_in_restore", count=1)
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        moodle.wait_for_step("renamed")
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).sent_at, "the request to be sent")
        cancel(job)
        moodle.gates.release()
    look_until_settled(job, clock)
    assert job.state == State.UNRESOLVED
    (partial,) = moodle.made()
    assert [candidate["id"] for candidate in job.candidates] == [partial.id]


def test_it_is_not_dispatched_again_after_it_was_cancelled(moodle: Moodle) -> None:
    job = submit()
    cancel(job)
    dispatch.dispatch()
    told_again_at_once(job)
    assert run_worker(job).state == State.CANCELLED


def test_it_is_cancelled_and_not_failed_at_its_last_attempt(moodle: Moodle, settings: Any) -> None:
    settings.RETRY_ATTEMPTS = 1
    job = submit()

    def cancel_it() -> None:
        jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        connection.close()

    moodle.answer_with("core_course_duplicate_course", refusal("storedfilenotcreated"), after=cancel_it)
    assert run_worker(job).state == State.CANCELLED, story(job)
