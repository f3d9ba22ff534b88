"""Tests what a worker must not do after it has lost its lease, and what a sweep must not do while a worker has one."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import jobs, tasks
from dupdash.duplication.drivers import outcomes, preflight, synchronous
from dupdash.duplication.engine import outcome_recorder, recovery
from dupdash.duplication.engine.outcome_recorder import record_outcome
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.queue import leases
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import TryAgain
from tests.duplication.race_conditions import before_first_write, expire_lease_long_ago, give_lease_to_another_worker
from tests.duplication.support import (
    Background,
    Moodle,
    a_job,
    await_threads,
    check,
    kinds,
    reason,
    submit,
    timeline_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

LOOK = "core_course_get_courses_by_field"


def claimed() -> tuple[DuplicationJob, Lease]:
    job = submit()
    lease = leases.claim(job.pk)
    assert lease is not None
    job.refresh_from_db()
    return job, lease


# --- Before the request is sent -----------------------------------------------------------------------------


def test_sent_job_is_not_sent_again(moodle: Moodle, client_of: MoodleClient) -> None:
    """A worker does not send a job that was already sent, whatever the reason for running it again (rule 3)."""
    job, lease = claimed()
    DuplicationJob.objects.filter(pk=job.pk).update(sent_at=timezone.now())
    job.refresh_from_db()
    assert preflight.check_and_mark_sent(job, lease, client_of, driver="synchronous") == outcomes.LeaseLost()
    assert synchronous.duplicate(job, lease, client_of) == outcomes.LeaseLost()
    assert moodle.calls.asked["new-1"] == 0
    assert "sent" not in kinds(job)


def test_nothing_is_sent_after_the_renewal_failed(moodle: Moodle, client_of: MoodleClient) -> None:
    """A worker sends nothing after it failed to renew its lease, because another worker may have had the job."""
    job, lease = claimed()
    moodle.when(LOOK, lease.lost.set, about="AT&T_3")
    assert synchronous.duplicate(job, lease, client_of) == outcomes.LeaseLost()
    job.refresh_from_db()
    assert (job.sent_at, kinds(job)) == (None, ["submitted", "started"])
    assert moodle.calls.asked["new-1"] == 0


# --- While Moodle makes the copy ----------------------------------------------------------------------------


def test_worker_is_free_after_a_lost_lease_and_failing_lookups(moodle: Moodle, settings: Any) -> None:
    """A worker is free soon after it lost its lease, even if all lookups fail and the copy takes another hour."""
    settings.LEASE_SECONDS = 0.2
    job = submit()
    with moodle.held_at("backup"):
        worker = Background(lambda: tasks.run_job(job.pk))
        worker.start()
        moodle.wait_for_step("backup")
        moodle.faults.set("reset_before", function=LOOK)
        give_lease_to_another_worker(job)
        worker.finish()
        moodle.faults.clear()
    await_threads()
    job.refresh_from_db()
    assert (job.state, job.lease_owner) == (State.RUNNING, "else:1:x")
    assert kinds(job) == ["submitted", "started", "sent"]


# --- A sweep at the same time -------------------------------------------------------------------------------


def renew_meanwhile(lease: Lease) -> None:
    with Background(lease.renew):
        pass


def test_lease_that_is_renewed_at_this_moment_is_not_recovered(moodle: Moodle) -> None:
    """A job is not recovered if its worker renews the lease during the sweep."""
    job, lease = claimed()
    expire_lease_long_ago(job)
    with before_first_write(lambda: renew_meanwhile(lease)):
        recovery.recover_expired_leases()
    job.refresh_from_db()
    assert (job.state, job.lease_owner, kinds(job)) == (State.RUNNING, lease.owner, ["submitted", "started"])
    assert not lease.lost.is_set()


def test_renewed_job_is_not_cancelled_by_the_sweep(moodle: Moodle) -> None:
    """A sweep does not cancel a job if its worker renews the lease at this moment."""
    job, lease = claimed()
    jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
    expire_lease_long_ago(job)
    with before_first_write(lambda: renew_meanwhile(lease)):
        recovery.recover_expired_leases()
    job.refresh_from_db()
    assert (job.state, kinds(job)) == (State.RUNNING, ["submitted", "started", "cancel_requested"])


# --- A cancellation or a check at the same time -------------------------------------------------------------


def cancel_meanwhile(job: DuplicationJob) -> None:
    with Background(lambda: jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)):
        pass


def test_worker_does_not_requeue_a_job_that_is_being_cancelled(moodle: Moodle) -> None:
    """A worker does not return a job to the queue while a person cancels the job."""
    job, lease = claimed()
    with before_first_write(lambda: cancel_meanwhile(job)):
        record_outcome(job, lease, outcomes.NothingStarted(TryAgain("Try again.", errorcode="storedfilenotcreated")))
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert kinds(job) == ["submitted", "started", "cancel_requested", "cancelled"]
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."


def test_outcome_that_cannot_be_recorded_is_logged(
    moodle: Moodle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody changes the job each time that the worker records the outcome."""
    job, lease = claimed()
    tries = []

    def change_meanwhile(*_: Any) -> None:
        tries.append(1)
        raise StaleJob("the job was changed")

    monkeypatch.setattr(outcome_recorder, "_record", change_meanwhile)
    record_outcome(job, lease, outcomes.Refused("nopermissions", "No."))
    assert len(tries) == outcome_recorder.TRIES
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert job.pk in error.getMessage()


def test_late_refusal_does_not_cancel_a_job_whose_course_is_seen(moodle: Moodle) -> None:
    """A late refusal does not cancel a job whose course was seen, so that its copy is not forgotten."""
    now = timezone.now()
    cancelled = {"cancel_requested_at": now, "checking_since": now, "sent_at": now - timedelta(hours=1)}
    job = a_job(State.CHECKING, source_id=moodle.course("AT&T").id, source_shortname="AT&T", **cancelled)
    course = moodle.add("NEW-1", fullname=job.fullname, visible=False)

    def look_elsewhere() -> None:
        with Background(lambda: check(DuplicationJob.objects.get(pk=job.pk))):
            pass

    with before_first_write(look_elsewhere):
        record_outcome(job, Lease(job.pk, "gone:1:x"), outcomes.Refused("nopermissions", "No."))
    job.refresh_from_db()
    assert (job.state, job.course_id, job.proof) == (State.CHECKING, course.id, Proof.SEEN), timeline_of(job)
    assert reason(job, "late_answer").startswith("Moodle's answer arrived late. It is an error: ")
