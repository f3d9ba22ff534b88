"""Tests a site with the Moodle plugin: repeated starts, queue and cron, its result as proof, cancelling."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import course_decisions, jobs, tasks
from dupdash.duplication.engine import recovery
from dupdash.duplication.engine.follow import follow_due_jobs
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from dupdash.sandbox.faults import parse_fault
from dupdash.sandbox.plugin import PluginDuplications
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_next,
    kinds,
    reason,
    run_worker,
    serving,
    submit,
    timeline_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

START = "core_course_async_duplicate_course"
STATUSES = f"{START}_get_statuses"
RESULT = f"{START}_get_result"
BY_FIELD = "core_course_get_courses_by_field"


@pytest.fixture
def moodle(settings: Any) -> Iterator[Moodle]:
    with serving(settings, Moodle(speed=50, plugin=True)) as moodle:
        yield moodle


def plugin(moodle: Moodle) -> PluginDuplications:
    assert isinstance(moodle.moodle.duplications, PluginDuplications)
    return moodle.moodle.duplications


def ended(job: DuplicationJob, clock: Clock) -> DuplicationJob:
    def settled() -> bool:
        job.refresh_from_db()
        if job.state in (State.RUNNING, State.CHECKING):
            check_next(job, clock)
        return job.state not in (State.RUNNING, State.CHECKING)

    await_until(settled, "the end of the job")
    return job


# --- The start call ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["html", "reset_after", "reset_before", "empty", "gateway_timeout", "forbidden"])
def test_repeated_start_makes_one_course(moodle: Moodle, clock: Clock, fault: str) -> None:
    moodle.may_be_sent_twice.add("new-1")
    moodle.faults.set(fault, function=START, count=1)
    job = run_worker(submit())
    assert (job.state, job.duplicate_id, job.lease_owner) == (State.RUNNING, "", "")
    assert "cannot" not in reason(job, "start_lost")
    assert "dupdash repeats the request until Moodle answers" in reason(job, "start_lost")
    assert ended(job, clock).state == State.SUCCEEDED, timeline_of(job)
    assert "checking" not in kinds(job)
    assert moodle.calls.created["new-1"] == 1


def test_start_is_repeated_after_the_worker_died(moodle: Moodle, clock: Clock) -> None:
    moodle.may_be_sent_twice.add("new-1")

    def die() -> None:
        DuplicationJob.objects.update(lease_owner="dead:1", lease_until=timezone.now() - timedelta(hours=1))

    moodle.when(START, die)
    job = run_worker(submit())
    assert (job.state, job.duplicate_id) == (State.RUNNING, "")
    recovery.recover_worker_group("dead", at_fault=True)
    job.refresh_from_db()
    assert (job.state, job.lease_owner) == (State.RUNNING, ""), timeline_of(job)
    assert ended(job, clock).state == State.SUCCEEDED, timeline_of(job)
    assert moodle.calls.created["new-1"] == 1


def test_refused_repeated_start_fails_the_job(moodle: Moodle, clock: Clock) -> None:
    moodle.may_be_sent_twice.add("new-1")
    moodle.faults.set("reset_before", function=START, count=1)
    job = run_worker(submit())
    moodle.add("NEW-1")
    assert (ended(job, clock).state, job.failure_code) == (State.FAILED, "shortnametaken")


def test_repeated_error_fails_the_job(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.RETRY_ATTEMPTS = 3
    for _ in range(3):
        moodle.answer_once(START, "codingerror", "Coding error detected")
    job = run_worker(submit())
    assert job.state == State.RUNNING
    assert (ended(job, clock).state, job.failure_code) == (State.FAILED, "codingerror"), timeline_of(job)


def test_unanswered_start_of_a_cancelled_job_is_cancelled(moodle: Moodle, clock: Clock) -> None:
    moodle.may_be_sent_twice.add("new-1")
    moodle.faults.set("reset_after", function=START, count=1)
    with moodle.held_at("backup"):
        job = run_worker(submit())
        jobs.cancel(job, actor=None)
        check_next(job, clock)
        assert job.duplicate_id
    assert ended(job, clock).state == State.CANCELLED, timeline_of(job)
    assert moodle.made() == []


def test_copies_of_one_source_run_at_the_same_time(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        made = [run_worker(submit(shortname=f"NEW-{number}")) for number in range(3)]
        assert [job.state for job in made] == [State.RUNNING] * 3
    assert {ended(job, clock).state for job in made} == {State.SUCCEEDED}


# --- While Moodle makes the copy --------------------------------------------------------------------------


def test_only_the_status_is_read_while_moodle_works(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup", "hidden", "renamed", "content"):
        job = run_worker(submit())
        moodle.called.clear()
        for step in ("backup", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            check_next(job, clock)
            moodle.gates.release(step)
        assert set(moodle.called) == {STATUSES}
    assert ended(job, clock).state == State.SUCCEEDED
    assert (job.course_id, job.proof) == (moodle.course("NEW-1").id, Proof.ANSWERED)


def test_place_in_moodles_queue_and_cron_are_stored(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = settings.CHECK_LIMIT_LEAST = 60
    plugin(moodle).cron_runs = False
    plugin(moodle).tasks_of_others = 4
    job = run_worker(submit())
    clock.forward(7200)
    check_next(job, clock)
    assert (job.state, job.moodle_queue_ahead, job.moodle_started_at) == (State.RUNNING, 4, None), timeline_of(job)
    ran = MoodleHealth.current().cron_run_at
    assert ran is not None
    assert timezone.now() - ran > timedelta(minutes=119)
    plugin(moodle).cron_runs = True
    assert ended(job, clock).state == State.SUCCEEDED
    assert (job.moodle_queue_ahead, job.moodle_started_at is None) == (None, False)


def test_progress_is_the_sites_and_never_goes_back(moodle: Moodle, clock: Clock) -> None:
    figures = [0.0]
    with moodle.held_at("backup", "hidden", "renamed", "content"):
        job = run_worker(submit())
        for step in ("backup", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            check_next(job, clock)
            shown = progress(job)
            assert not shown.estimated
            figures.append(shown.number)
            moodle.gates.release(step)
    ended(job, clock)
    figures.append(progress(job).number)
    assert figures == sorted(figures)
    assert figures[-1] == 1.0


# --- The end of a copy ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("exception_in_restore=errorcode:locktimeout", "locktimeout"),
        ("exception_in_restore=errorcode:taskgone", "taskgone"),
        ("killed_in_backup", "processdied"),
        ("killed_in_restore", "processdied"),
    ],
)
def test_failure_of_the_result_needs_no_lookup(moodle: Moodle, clock: Clock, fault: str, code: str) -> None:
    moodle.faults.add(parse_fault(fault))
    job = run_worker(submit())
    moodle.called.clear()
    assert (ended(job, clock).state, job.failure_code) == (State.FAILED, code), timeline_of(job)
    assert "checking" not in kinds(job)
    assert moodle.called[BY_FIELD] == 0
    assert not job.left_partial_course
    assert job.moodle_done_at is not None
    assert moodle.made() == []


def test_copy_that_somebody_cancelled_in_moodle_fails(moodle: Moodle, clock: Clock) -> None:
    plugin(moodle).cron_runs = False
    job = run_worker(submit())
    row = plugin(moodle).row(job.duplicate_id)
    assert row is not None
    plugin(moodle).cancel(row)
    assert (ended(job, clock).state, job.failure_code) == (State.FAILED, "cancelled")


def test_partial_course_that_the_site_names_can_be_deleted(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", count=1)
    job = run_worker(submit())
    left = moodle.add("NEW-1", fullname="Copy called NEW-1", origin="copy")
    result = {"state": "failed", "shortname": "NEW-1", "failurecode": "x", "failuremessage": "", "courseid": None}
    await_until(lambda: plugin(moodle).row(job.duplicate_id).status == 900, "the failure")  # type: ignore[union-attr]
    moodle.answer_with(RESULT, result | {"partialcourseid": left.id})
    ended(job, clock)
    assert (job.state, job.course_id, job.left_partial_course) == (State.FAILED, left.id, True)
    with open_client() as client:
        course_decisions.delete_partial(job, actor=None, client=client)
    assert moodle.by_id(left.id) is None


def test_result_that_names_a_foreign_course_is_not_trusted(moodle: Moodle, clock: Clock) -> None:
    job = run_worker(submit())
    other = moodle.add("OTHER")
    await_until(lambda: plugin(moodle).row(job.duplicate_id).status == 1000, "the end")  # type: ignore[union-attr]
    moodle.answer_with(RESULT, {"state": "succeeded", "shortname": "NEW-1", "courseid": other.id})
    check_next(job, clock)
    assert (job.state, job.course_id) == (State.CHECKING, None), timeline_of(job)
    says = f"Moodle reports course {other.id} as the copy, but that course does not have the requested names"
    assert says in reason(job, "checking")
    assert ended(job, clock).course_id == moodle.course("NEW-1").id


# --- Cancelling -------------------------------------------------------------------------------------------


def test_running_copy_is_stopped_in_moodle(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("hidden"):
        job = run_worker(submit())
        moodle.wait_for_step("hidden")
        jobs.cancel(job, actor=None)
        assert "Moodle stops the copy" in reason(job, "cancel_requested")
        check_next(job, clock)
    assert ended(job, clock).state == State.CANCELLED, timeline_of(job)
    assert reason(job, "cancelled") == "Moodle stopped the copy and deleted the new course."
    assert moodle.made() == []


def test_waiting_copy_is_cancelled_while_cron_does_not_run(moodle: Moodle, clock: Clock) -> None:
    plugin(moodle).cron_runs = False
    job = run_worker(submit())
    jobs.cancel(job, actor=None)
    assert ended(job, clock).state == State.CANCELLED


def test_copy_that_finishes_before_it_is_stopped_is_deleted(moodle: Moodle, clock: Clock) -> None:
    job = run_worker(submit())
    await_until(lambda: plugin(moodle).row(job.duplicate_id).status == 1000, "the end")  # type: ignore[union-attr]
    jobs.cancel(job, actor=None)
    assert ended(job, clock).state == State.CANCELLED, timeline_of(job)
    assert moodle.made() == []


def test_sweep_follows_many_copies_with_one_call(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        for number in range(4):
            run_worker(submit(shortname=f"NEW-{number}"))
        moodle.called.clear()
        clock.forward(1)
        tasks.sweep()
        assert moodle.called == {STATUSES: 1}


def test_copy_is_compared_after_its_end(moodle: Moodle, clock: Clock) -> None:
    """A copy is verified only after its job has ended, so that the end of other copies is noticed without delay."""
    job = run_worker(submit())

    def followed_to_its_end() -> bool:
        clock.forward(1)
        with open_client() as client:
            follow_due_jobs(client, time.monotonic() + 60)
        job.refresh_from_db()
        return job.state != State.RUNNING

    await_until(followed_to_its_end, "the end of the job")
    assert (job.state, job.verification) == (State.SUCCEEDED, None)
    tasks.sweep()
    job.refresh_from_db()
    assert job.verification is not None
    assert job.verification["complete"]
