"""A lease that is lost, or is not: what its worker stops doing, and what a sweep leaves alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import jobs, tasks
from dupdash.duplication.drivers import outcomes, preflight, synchronous
from dupdash.duplication.engine import recovery
from dupdash.duplication.engine.outcome_recorder import record_outcome
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.queue import leases
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import TryAgain
from tests.duplication.interleavings import a_dead_lease, before_it_is_written, give_lease_to_another_worker
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


# --- before the request is sent -----------------------------------------------------------------------------


def test_sent_job_is_not_sent_again(moodle: Moodle, client_of: MoodleClient) -> None:
    """Whyever it is driven a second time: rule 3 knows no exception that this worker could know of."""
    job, lease = claimed()
    DuplicationJob.objects.filter(pk=job.pk).update(sent_at=timezone.now())
    job.refresh_from_db()
    with pytest.raises(StaleJob):
        preflight.check_and_mark_sent(job, lease, client_of, driver="synchronous")
    assert synchronous.duplicate(job, lease, client_of) == outcomes.LeaseLost()
    assert moodle.calls.asked["new-1"] == 0
    assert "sent" not in kinds(job)


def test_nothing_is_sent_after_the_renewal_failed(moodle: Moodle, client_of: MoodleClient) -> None:
    """Whatever the row says: whoever had the job meanwhile may have done anything with it."""
    job, lease = claimed()
    moodle.when(LOOK, lease.lost.set, about="AT&T_3")
    assert synchronous.duplicate(job, lease, client_of) == outcomes.LeaseLost()
    job.refresh_from_db()
    assert (job.sent_at, kinds(job)) == (None, ["submitted", "started"])
    assert moodle.calls.asked["new-1"] == 0


# --- while Moodle works -------------------------------------------------------------------------------------


def test_worker_is_free_after_a_lost_lease_and_failing_lookups(moodle: Moodle, settings: Any) -> None:
    """Nothing is written then, so nothing but the renewer tells the driver; the copy may take another hour."""
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


# --- a sweep that comes at the same moment ------------------------------------------------------------------


def renew_meanwhile(lease: Lease) -> None:
    with Background(lease.renew):
        pass


def test_lease_that_is_renewed_at_this_moment_is_not_recovered(moodle: Moodle) -> None:
    """The database stood still, and the worker was a little slower than the sweep."""
    job, lease = claimed()
    a_dead_lease(job)
    with before_it_is_written(lambda: renew_meanwhile(lease)):
        recovery.recover_dead_leases()
    job.refresh_from_db()
    assert (job.state, job.lease_owner, kinds(job)) == (State.RUNNING, lease.owner, ["submitted", "started"])
    assert not lease.lost.is_set()


def test_renewed_job_is_not_cancelled_by_the_sweep(moodle: Moodle) -> None:
    """Its worker lives, and sees by itself that nobody wants the copy any more."""
    job, lease = claimed()
    jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
    a_dead_lease(job)
    with before_it_is_written(lambda: renew_meanwhile(lease)):
        recovery.recover_dead_leases()
    job.refresh_from_db()
    assert (job.state, kinds(job)) == (State.RUNNING, ["submitted", "started", "cancel_requested"])


# --- somebody cancels, or looks, at the same moment ---------------------------------------------------------


def cancel_meanwhile(job: DuplicationJob) -> None:
    with Background(lambda: jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)):
        pass


def test_worker_does_not_requeue_a_job_that_is_being_cancelled(moodle: Moodle) -> None:
    """Who cancelled was told that no copy stays: a queued job with that wish would be sent, and then removed."""
    job, lease = claimed()
    with before_it_is_written(lambda: cancel_meanwhile(job)):
        record_outcome(job, lease, outcomes.NothingStarted(TryAgain("Try again.", errorcode="storedfilenotcreated")))
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert kinds(job) == ["submitted", "started", "cancel_requested", "cancelled"]
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."


def test_late_refusal_does_not_cancel_a_job_whose_course_is_seen(moodle: Moodle) -> None:
    """A refusal came late, and a look shows that something was started all the same: nobody may forget that copy."""
    now = timezone.now()
    cancelled = {"cancel_requested_at": now, "checking_since": now, "sent_at": now - timedelta(hours=1)}
    job = a_job(State.CHECKING, source_id=moodle.course("AT&T").id, source_shortname="AT&T", **cancelled)
    course = moodle.add("NEW-1", fullname=job.fullname, visible=False)

    def look_elsewhere() -> None:
        with Background(lambda: check(DuplicationJob.objects.get(pk=job.pk))):
            pass

    with before_it_is_written(look_elsewhere):
        record_outcome(job, Lease(job.pk, "gone:1:x"), outcomes.Refused("nopermissions", "No."))
    job.refresh_from_db()
    assert (job.state, job.course_id, job.proof) == (State.CHECKING, course.id, Proof.SEEN), timeline_of(job)
    assert reason(job, "late_answer").startswith("Moodle's answer arrived late. It is an error: ")
