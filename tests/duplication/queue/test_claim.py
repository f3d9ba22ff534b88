"""Tests claims and leases, and messages that come twice, late or never."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from dupdash.duplication import course_decisions, jobs, tasks
from dupdash.duplication.drivers import answers, preflight, synchronous
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import checking, recovery
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import dispatch, leases
from dupdash.duplication.states import State
from tests.duplication.race_conditions import (
    LONG_AGO,
    before_first_write,
    expire_lease_long_ago,
    give_lease_to_another_worker,
    messages,
)
from tests.duplication.support import (
    PATIENCE,
    Background,
    Clock,
    Moodle,
    a_job,
    await_until,
    check,
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

COPY = "core_course_duplicate_course"
CONTENTS = "core_course_get_contents"


def expire_lease_and_recover(job: DuplicationJob) -> None:
    """Let the lease of a running worker expire, and have a sweep recover the job before the worker renews the lease."""

    def taken() -> bool:
        expire_lease_long_ago(job)
        recovery.recover_expired_leases()
        job.refresh_from_db()
        return job.state == State.CHECKING

    await_until(taken, "the job to be recovered")


def test_job_is_claimed_once_by_many_workers(moodle: Moodle) -> None:
    job = submit()
    start = threading.Barrier(6)
    got: list[leases.Lease] = []

    def try_to_claim() -> None:
        start.wait()
        lease = leases.claim(job.pk)
        if lease is not None:
            got.append(lease)

    workers = [Background(try_to_claim) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.finish()
    assert len(got) == 1
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_owner) == (State.RUNNING, 1, got[0].owner)
    assert kinds(job) == ["submitted", "started"]


def test_job_runs_once_when_its_message_is_delivered_twice(moodle: Moodle) -> None:
    job = submit()
    with moodle.held_at("backup"), working_on(job), working_on(job):
        moodle.wait_for_step("backup")
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert kinds(job).count("started") == 1
    assert moodle.calls.asked["new-1"] == 1


def test_message_for_an_ended_job_is_ignored(moodle: Moodle) -> None:
    job = run_worker(submit())
    before = kinds(job)
    assert run_worker(job).state == State.SUCCEEDED
    assert kinds(job) == before


def test_message_for_an_unknown_job_is_ignored(moodle: Moodle) -> None:
    tasks.run_job("0" * 32)
    assert JobEvent.objects.count() == 0


@pytest.mark.parametrize("state", [state for state in State if state != State.QUEUED])
def test_only_queued_jobs_are_claimed(state: State) -> None:
    job = a_job(state, dispatched_at=timezone.now())
    assert leases.claim(job.pk) is None


def test_late_message_does_not_claim_a_job_that_returned_to_the_queue(moodle: Moodle) -> None:
    """A message that arrives after its job returned to the queue does not claim the job."""
    job = submit()
    DuplicationJob.objects.filter(pk=job.pk).update(dispatched_at=None)
    assert leases.claim(job.pk) is None


def test_job_is_enqueued_again_when_its_message_was_lost(moodle: Moodle, clock: Clock, settings: Any) -> None:
    submit()
    before = messages()
    tasks.sweep()
    assert messages() == before, "there is still time"
    clock.forward(settings.REDISPATCH_AFTER + 1)
    tasks.sweep()
    assert messages() == before + 1
    tasks.sweep()
    assert messages() == before + 1, "once is enough for another while"


def test_dispatched_job_is_enqueued(moodle: Moodle) -> None:
    before = messages()
    submit()
    assert messages() == before + 1


# --- A worker that loses its lease while it runs a job -------------------------------------------------------


def test_worker_stops_when_it_lost_the_lease(moodle: Moodle, settings: Any) -> None:
    """A worker that lost its lease stops, and its answer does not end the job, which another worker runs."""
    settings.LEASE_SECONDS = 0.2
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        give_lease_to_another_worker(job)
        moodle.gates.release()
    job.refresh_from_db()
    assert (job.state, job.lease_owner) == (State.RUNNING, "else:1:x")
    assert kinds(job)[-1] == "course_seen"


def test_nothing_is_sent_when_the_lease_was_lost_before(moodle: Moodle) -> None:
    job = submit()
    moodle.when("core_course_get_courses_by_field", lambda: give_lease_to_another_worker(job), about="AT&T_3")
    run_worker(job)
    assert (job.state, job.sent_at, job.lease_owner) == (State.RUNNING, None, "else:1:x")
    assert moodle.calls.asked["new-1"] == 0


def test_late_answer_ends_a_checked_job(moodle: Moodle, settings: Any) -> None:
    settings.LEASE_SECONDS = 0.2
    job = submit()
    with moodle.held_at("backup"), working_on(job):
        moodle.wait_for_step("backup")
        expire_lease_and_recover(job)
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.CHECKING
    answered = evidence_of(job).answered
    assert answered == moodle.course("NEW-1").id
    assert reason(job, "late_answer") == f"Moodle's answer arrived late. It says that course {answered} is the copy."
    assert job.check_at is not None
    assert job.check_at <= timezone.now(), "it is looked at at once"
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert moodle.calls.asked["new-1"] == 1


def test_late_answer_ends_an_unresolved_job(moodle: Moodle, settings: Any, clock: Clock) -> None:
    settings.LEASE_SECONDS = 0.2
    settings.CHECK_LIMIT_UNKNOWN = 60
    job = submit()
    with moodle.held_at("backup"), working_on(job):
        moodle.wait_for_step("backup")
        expire_lease_and_recover(job)
        assert check_until_ended(job, clock).state == State.UNRESOLVED
        moodle.gates.release()
    job.refresh_from_db()
    assert evidence_of(job).answered == moodle.course("NEW-1").id
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def test_late_answer_does_not_change_an_ended_job(moodle: Moodle, settings: Any, clock: Clock) -> None:
    settings.LEASE_SECONDS = 0.2
    job = submit()
    with moodle.held_at("content"), working_on(job):
        moodle.wait_for_step("content")
        expire_lease_and_recover(job)
        # At once, because the worker may record an event between the two.
        with transaction.atomic():
            DuplicationJob.objects.filter(pk=job.pk).update(state=State.UNRESOLVED)
            JobEvent.objects.create(job=job, kind="x", from_state="checking", to_state="unresolved", reason="A test.")
        job.refresh_from_db()
        with open_client() as client:
            course_decisions.settle(job, course_id=None, reason="I looked.", actor=None, client=client)
        before = kinds(job)
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert kinds(job) == before


def test_job_that_is_taken_back_after_the_answer_succeeds(moodle: Moodle, settings: Any) -> None:
    """A job succeeds if a sweep recovers it after Moodle's answer but before the worker has stored the answer."""
    settings.FOLLOW_INTERVAL = 3600

    def recover() -> None:
        expire_lease_and_recover(DuplicationJob.objects.get(pk=job.pk))
        connection.close()

    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        # The contents are read once more only, for the verification.
        moodle.when("core_course_get_contents", recover)
        moodle.gates.release()
    job.refresh_from_db()
    assert (job.state, evidence_of(job).answered) == (State.CHECKING, moodle.course("NEW-1").id)
    assert kinds(job)[-1] == "late_answer"
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def take_back_before_the_answer(job: DuplicationJob, moodle: Moodle, *, noticed: bool) -> Callable[[], None]:
    """Recover the job right before Moodle answers. ``noticed``: the worker has noticed this before the answer."""

    taken = threading.Event()

    def recover() -> None:
        expire_lease_and_recover(DuplicationJob.objects.get(pk=job.pk))
        connection.close()
        taken.set()

    def recover_while_it_looks() -> None:
        moodle.when("core_course_get_courses_by_field", recover, about="AT&T_1")
        assert taken.wait(PATIENCE)

    return recover_while_it_looks if noticed else recover


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("code", ["nopermissions", "storedfilenotcreated"])
def test_late_refusal_fails_a_checked_job(moodle: Moodle, settings: Any, code: str, noticed: bool) -> None:
    settings.WATCH_INTERVAL = 0.005 if noticed else 3600
    job = submit()
    moodle.answer_with(COPY, refusal(code), after=take_back_before_the_answer(job, moodle, noticed=noticed))
    run_worker(job)
    assert (job.state, job.failure_code, job.checks) == (State.FAILED, code, 0)
    assert reason(job, "failed").startswith("Moodle's answer arrived late. It says that nothing was started: ")
    assert ("You can try again." in reason(job, "failed")) == (code == "storedfilenotcreated")


def test_late_refusal_fails_an_unresolved_job(moodle: Moodle, settings: Any, clock: Clock) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    job = submit()
    arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        go_on.wait(PATIENCE)

    moodle.answer_with(COPY, refusal("nopermissions"), after=wait)
    with working_on(job):
        assert arrived.wait(PATIENCE)
        expire_lease_and_recover(job)
        assert check_until_ended(job, clock).state == State.UNRESOLVED
        go_on.set()
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (State.FAILED, "nopermissions")


def test_late_configuration_fault_pauses_and_fails_the_job(moodle: Moodle) -> None:
    job = submit()
    answer = refusal("sitemaintenance")
    moodle.answer_with(COPY, answer, after=take_back_before_the_answer(job, moodle, noticed=True))
    run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "sitemaintenance")
    assert reason(job, "failed").endswith("You can try again when this is fixed.")
    assert MoodleHealth.current().fault_code == "sitemaintenance"


def test_late_refusal_cancels_a_cancelled_job(moodle: Moodle) -> None:
    job = submit()

    def lose_and_cancel() -> None:
        take_back_before_the_answer(job, moodle, noticed=True)()
        jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        connection.close()

    moodle.answer_with(COPY, refusal("storedfilenotcreated"), after=lose_and_cancel)
    run_worker(job)
    assert job.state == State.CANCELLED
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."


@pytest.mark.parametrize("unresolved", [True, False])
def test_late_error_is_followed_by_a_few_checks(moodle: Moodle, settings: Any, clock: Clock, unresolved: bool) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = submit()
    with moodle.held_at("backup"), working_on(job):
        moodle.wait_for_step("backup")
        expire_lease_and_recover(job)
        if unresolved:
            assert check_until_ended(job, clock).state == State.UNRESOLVED
        moodle.gates.release()
    job.refresh_from_db()
    assert reason(job, "late_answer").startswith("Moodle's answer arrived late. It is an error: ")
    assert job.check_at is not None
    assert job.check_at <= timezone.now(), "it is looked at at once"
    check_until_ended(job, clock, unresolved_too=True)
    assert (job.state, job.failure_code) == (State.FAILED, "cannotrestore")
    (partial,) = moodle.made()
    assert f"id {partial.id}" in reason(job, "failed")


@pytest.mark.parametrize("noticed", [True, False])
def test_late_answer_that_names_another_course_is_not_trusted(
    moodle: Moodle, settings: Any, clock: Clock, noticed: bool
) -> None:
    settings.WATCH_INTERVAL = 0.005 if noticed else 3600
    job = submit()
    other = moodle.add("OTHER", fullname="Somebody else's")
    lose = take_back_before_the_answer(job, moodle, noticed=noticed)

    def make() -> None:
        lose()
        given = {"fullname": job.fullname, "origin": "copy", "complete": True}
        moodle.add("NEW-1", sections=moodle.course("AT&T").sections, **given)

    moodle.answer_with(COPY, {"id": other.id, "shortname": "NEW-1"}, after=make)
    run_worker(job)
    assert (job.state, job.course_id, job.proof) == (State.CHECKING, None, "")
    assert job.check_at is not None
    assert job.check_at <= timezone.now(), "it is looked at at once"
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert job.course_id == moodle.course("NEW-1").id


def test_preflight_of_a_lost_worker_is_not_taken_for_an_answer(moodle: Moodle, clock: Clock) -> None:
    """The preflight result of a worker that lost its lease is not taken for Moodle's answer to the second worker."""
    job = submit()
    looking, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        looking.set()
        go_on.wait(PATIENCE)

    moodle.when("core_course_get_courses_by_field", wait, about="NEW-1")
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    with moodle.held_at("renamed"), working_on(job):
        assert looking.wait(PATIENCE)
        expire_lease_long_ago(job)
        recovery.recover_expired_leases()
        dispatch_again(job)
        assert run_worker(job).state == State.CHECKING
        moodle.wait_for_step("renamed")
        go_on.set()
    job.refresh_from_db()
    assert job.state == State.CHECKING
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_lease_is_renewed_while_the_worker_works(moodle: Moodle, settings: Any) -> None:
    settings.LEASE_SECONDS = 2
    job = submit()
    with moodle.held_at("backup"), working_on(job):
        moodle.wait_for_step("backup")
        job.refresh_from_db()
        taken = job.lease_until
        assert taken is not None

        def renewed() -> bool:
            job.refresh_from_db()
            return job.lease_until is not None and job.lease_until > taken

        await_until(renewed, "the lease to be renewed")
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert (job.lease_owner, job.lease_until) == ("", None)


# --- Expired leases ------------------------------------------------------------------------------------------


def test_job_returns_to_the_queue_when_its_worker_died_unsent(moodle: Moodle, clock: Clock, settings: Any) -> None:
    job = submit()
    assert leases.claim(job.pk) is not None
    expire_lease_long_ago(job)
    queued_at = job.queued_at
    tasks.sweep()
    job.refresh_from_db()
    assert (job.state, job.queued_at) == (State.QUEUED, queued_at), "and keeps its place"
    assert reason(job, "worker_lost") == (
        "The process that worked on this copy stopped. "
        "Nothing had been sent to Moodle, so the job returns to the queue."
    )
    clock.forward(settings.RETRY_FIRST)
    tasks.sweep()
    job.refresh_from_db()
    assert job.dispatched_at is not None, "and is given to the next worker"
    assert run_worker(job).state == State.SUCCEEDED


def test_job_fails_when_each_attempt_kills_its_worker(moodle: Moodle, clock: Clock) -> None:
    """A job fails if each attempt kills its worker, because otherwise it would be tried for ever."""
    job = submit()
    pauses = []
    for _ in range(8):
        assert leases.claim(job.pk) is not None
        expire_lease_long_ago(job)
        recovery.recover_expired_leases()
        job.refresh_from_db()
        assert job.state == State.QUEUED
        assert job.retry_at is not None
        pauses.append(round((job.retry_at - timezone.now()).total_seconds()))
        clock.forward(pauses[-1] + 1)
        dispatch.dispatch()
    assert pauses == [10, 30, 90, 270, 810, 1800, 1800, 1800]
    assert leases.claim(job.pk) is not None
    expire_lease_long_ago(job)
    recovery.recover_expired_leases()
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (State.FAILED, "worker_lost")
    assert reason(job, "failed") == (
        "The process that worked on this copy stopped. Nothing had been sent to Moodle. dupdash tried 9 times."
    )


def test_stopped_worker_does_not_count_as_an_attempt(moodle: Moodle, settings: Any) -> None:
    """A worker that is stopped, for example for a deployment, does not use up an attempt of its job."""
    settings.RETRY_ATTEMPTS = 2
    job = submit()
    for _ in range(5):
        lease = leases.claim(job.pk)
        assert lease is not None
        recovery.recover_worker_group(lease.owner.partition(":")[0], at_fault=False)
        dispatch.dispatch()
    job.refresh_from_db()
    assert (job.state, job.attempts, job.retry_at) == (State.QUEUED, 0, None)
    assert run_worker(job).state == State.SUCCEEDED


def test_job_fails_when_each_attempt_kills_the_cluster(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.RETRY_ATTEMPTS = 3
    job = submit()
    for _ in range(3):
        clock.forward(3600)
        tasks.sweep()
        lease = leases.claim(job.pk)
        assert lease is not None
        recovery.recover_worker_group(lease.owner.partition(":")[0], at_fault=True)
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (State.FAILED, "worker_lost")


# --- A sweep that recovers the job of a running worker -----------------------------------------------------------


@pytest.mark.parametrize(
    "recover", [recovery.recover_expired_leases, lambda: recovery.recover_worker_group("alone", at_fault=False)]
)
def test_job_that_is_sent_at_this_moment_is_not_queued_again(moodle: Moodle, recover: Callable[[], None]) -> None:
    """A sweep does not return a job to the queue if its worker sends the request at this moment."""
    job = submit()
    at_the_last_look, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        at_the_last_look.set()
        go_on.wait(PATIENCE)

    def send() -> None:
        go_on.set()
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).sent_at, "the request to be sent")

    moodle.when("core_course_get_courses_by_field", wait, about="AT&T_3")
    with moodle.held_at("backup"), working_on(job):
        assert at_the_last_look.wait(PATIENCE)
        expire_lease_long_ago(job)
        with before_first_write(send):
            recover()
        job.refresh_from_db()
        assert job.state == State.RUNNING
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def test_job_that_is_cancelled_at_this_moment_is_not_queued_again(moodle: Moodle) -> None:
    job = submit()
    assert leases.claim(job.pk) is not None
    expire_lease_long_ago(job)

    def cancel() -> None:
        with Background(lambda: jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)):
            pass

    with before_first_write(cancel):
        recovery.recover_expired_leases()
    recovery.recover_expired_leases()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert kinds(job) == ["submitted", "started", "cancel_requested", "cancelled"]


def test_job_is_checked_when_its_worker_died_after_sending(moodle: Moodle, clock: Clock) -> None:
    """A job whose worker died after sending is checked when its lease has expired."""
    job = submit()
    with moodle.held_at("backup"):
        a_worker_that_is_killed(job, moodle)
        expire_lease_long_ago(job)
        tasks.sweep()
        job.refresh_from_db()
        assert job.state == State.CHECKING
        assert reason(job, "checking") == (
            "The process that worked on this copy stopped. The request had been sent to Moodle. "
            "dupdash checks in Moodle whether the copy was made."
        )
        dispatch_again(job)
        assert run_worker(job).state == State.CHECKING
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert moodle.calls.asked["new-1"] == 1


def a_worker_that_is_killed(job: DuplicationJob, moodle: Moodle) -> None:
    """Run a worker until Moodle has its request, and stop it there as if it was killed."""
    lease = leases.claim(job.pk)
    assert lease is not None
    job.refresh_from_db()
    with open_client() as client:
        assert preflight.check_and_mark_sent(job, lease, client, driver="synchronous") is None
        synchronous.Call(client, job).start()
    moodle.wait_for_step("backup", job.shortname)


def test_job_with_a_valid_lease_is_not_recovered(moodle: Moodle) -> None:
    job = submit()
    assert leases.claim(job.pk) is not None
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_only_jobs_of_the_killed_worker_group_are_taken_back(moodle: Moodle) -> None:
    mine = a_job(State.RUNNING, "ONE", lease_owner="crew-a:7:x", lease_until=timezone.now() + timedelta(hours=1))
    other = a_job(State.RUNNING, "TWO", lease_owner="crew-ab:7:x", lease_until=timezone.now() + timedelta(hours=1))
    recovery.recover_worker_group("crew-a", at_fault=False)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.state, other.state) == (State.QUEUED, State.RUNNING)
    assert reason(mine, "worker_lost").startswith("The process that worked on this copy was stopped.")


def test_cancelled_unsent_job_of_a_lost_worker_is_cancelled(moodle: Moodle) -> None:
    job = a_job(State.RUNNING, cancel_requested_at=timezone.now(), lease_owner="gone", lease_expired_seen_at=LONG_AGO)
    recovery.recover_expired_leases()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert reason(job, "cancelled") == "Cancelled. Nothing was started in Moodle."


def test_one_of_two_sweeps_checks_a_job(moodle: Moodle) -> None:
    job = a_job(
        State.CHECKING,
        sent_at=timezone.now(),
        checking_since=timezone.now(),
        check_at=timezone.now(),
        checks=0,
        baseline={"names": ["SRC_1"], "present": []},
    )
    other = Background(tasks.sweep)

    def sweep_at_the_same_time() -> None:
        other.start()
        other.finish()

    moodle.when("core_course_get_courses_by_field", sweep_at_the_same_time, about="SRC_1")
    check(job)
    assert other.ident is not None, "the other one did sweep"
    assert job.checks == 1


def test_due_job_is_checked_once_by_several_sweeps(moodle: Moodle) -> None:
    now = timezone.now()
    job = a_job(State.CHECKING, sent_at=now, checking_since=now, check_at=now, checks=0)
    start = threading.Barrier(4)

    def look_at_it() -> None:
        with open_client() as client:
            start.wait()
            checking.check(job.pk, client)

    sweeps = [Background(look_at_it) for _ in range(4)]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.finish()
    job.refresh_from_db()
    assert job.checks == 1


def test_job_without_an_answer_records_none(moodle: Moodle) -> None:
    """A job that is recovered before Moodle's answer has no answer recorded, although its copy is complete."""
    job = submit()
    over = threading.Event()

    def recover() -> None:
        expire_lease_and_recover(DuplicationJob.objects.get(pk=job.pk))
        connection.close()

    def make_and_never_answer() -> None:
        source = moodle.course("AT&T")
        moodle.when(CONTENTS, recover, about=str(source.id))
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1", sections=source.sections, origin="copy", complete=True)
        wait_until_course_is_seen(DuplicationJob.objects.get(pk=job.pk))
        connection.close()
        moodle.change(ours.id, shortname="NEW-1", fullname=job.fullname)
        over.wait(PATIENCE)

    moodle.answer_with(COPY, {}, after=make_and_never_answer)
    run_worker(job)
    over.set()
    assert "late_answer" not in kinds(job), timeline_of(job)
    assert (job.state, job.proof) == (State.CHECKING, Proof.SEEN)
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def test_answer_is_stored_when_the_database_is_back(
    moodle: Moodle, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moodle's answer, which is the only proof here, is stored as soon as the database is back."""
    settings.WATCH_INTERVAL = 3600
    faults = [OperationalError("the server closed the connection")]
    write = answers.update_job

    def observe(*args: Any, **rest: Any) -> None:
        if faults:
            raise faults.pop()
        write(*args, **rest)

    monkeypatch.setattr(answers, "update_job", observe)
    job = submit()
    with moodle.held_at("backup"), working_on(job):
        moodle.wait_for_step("backup")
        jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        moodle.gates.release()
    job.refresh_from_db()
    assert not faults
    assert (job.state, job.proof) == (State.CANCELLED, Proof.ANSWERED), timeline_of(job)
    assert moodle.made() == []
