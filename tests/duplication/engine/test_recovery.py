"""Tests checking after a lost answer: the intervals, the time limit, and the final result."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dupdash.duplication import jobs, tasks
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import checking, late_answer
from dupdash.duplication.models import DatabaseLock, DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import database_lock, dispatch
from dupdash.duplication.states import State
from dupdash.sandbox.accounts import MANAGER_TOKEN
from tests.duplication.support import (
    Background,
    Clock,
    Moodle,
    a_job,
    await_until,
    check,
    check_next,
    check_until_ended,
    kinds,
    reason,
    run_worker,
    submit,
    timeline_of,
    wait_until_course_is_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

CONTENTS = "core_course_get_contents"
DELETE = "core_course_delete_courses"
NEW = "core_course_get_courses_by_field"


def checked_job(moodle: Moodle, **columns: Any) -> DuplicationJob:
    """Return a job in *checking* whose request never reached Moodle."""
    now = timezone.now()
    source = moodle.course("AT&T")
    given = {
        "source_id": source.id,
        "source_shortname": source.shortname,
        "sent_at": now,
        "checking_since": now,
        "check_at": now + timedelta(seconds=2),
        "baseline": {"names": ["AT&T_1"], "present": []},
    }
    return a_job(State.CHECKING, **(given | columns))


def assert_pauses(job: DuplicationJob, clock: Clock, expected: list[float]) -> None:
    """Run the next checks of a job. Assert the seconds from the start of each of them to the next."""
    for pause in expected:
        began = time.perf_counter()
        check_next(job, clock)
        took = time.perf_counter() - began
        assert job.check_at is not None
        left = (job.check_at - timezone.now()).total_seconds()
        assert left <= pause <= left + took


def test_checks_follow_at_growing_intervals(moodle: Moodle, clock: Clock) -> None:
    job = checked_job(moodle)
    growing = [2.0, 3.0, 4.5, 6.75, 10.125, 15.1875, 22.78125, 34.171875, 51.2578125]
    assert_pauses(job, clock, [*growing, 60.0, 60.0])


def test_job_is_not_checked_before_it_is_due(moodle: Moodle) -> None:
    job = checked_job(moodle)
    tasks.sweep()
    job.refresh_from_db()
    assert job.checks == 0


@pytest.mark.parametrize(
    ("backup", "restore", "limit"),
    [
        (None, None, timedelta(hours=3)),
        (60.0, 60.0, timedelta(minutes=30)),
        (900.0, 900.0, timedelta(minutes=90)),
    ],
)
def test_checking_ends_after_three_expected_durations(
    moodle: Moodle,
    clock: Clock,
    settings: Any,
    backup: float | None,
    restore: float | None,
    limit: timedelta,
) -> None:
    """Checking ends after three expected durations and at least half an hour; without an estimate after three hours."""
    settings.CHECK_LIMIT_UNKNOWN = 3 * 3600
    settings.CHECK_LONGEST = 600
    job = checked_job(moodle, expected_backup=backup, expected_restore=restore)
    check_until_ended(job, clock)
    assert job.state == State.UNRESOLVED
    given_up = job.events.get(kind="unresolved").at
    assert job.checking_since is not None
    assert limit <= given_up - job.checking_since <= limit + timedelta(seconds=601)


def test_unresolved_event_names_the_course_that_was_checked(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    job = check_until_ended(checked_job(moodle, fullname="My copy"), clock)
    told = reason(job, "unresolved")
    assert "has a course called “My copy” (NEW-1)" in told
    assert told.startswith("dupdash checked ")
    assert told.endswith("dupdash keeps checking, less and less often.")


def test_unresolved_job_is_checked_less_and_less_often(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    job = check_until_ended(checked_job(moodle), clock)
    growing = [60.0 * 2**number for number in range(11)]
    assert_pauses(job, clock, [*growing, 24 * 3600.0, 24 * 3600.0])


def test_copy_of_an_unresolved_job_is_found_later(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = submit()
    with moodle.held_at("backup"):
        check_until_ended(run_worker(job), clock)
        assert job.state == State.UNRESOLVED
    moodle.wait_for_copies()
    assert check_next(job, clock).state == State.SUCCEEDED
    assert job.course_id == moodle.course("NEW-1").id


def test_unresolved_job_keeps_its_name_and_frees_its_slot(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 10
    settings.MOODLE_CONCURRENCY = 1
    job = checked_job(moodle)
    other = submit("5>3", "NEW-2")
    other.refresh_from_db()
    assert other.dispatched_at is None, "Moodle is still busy with what is being looked up"
    check_until_ended(job, clock)
    other.refresh_from_db()
    assert other.dispatched_at is not None


# --- Courses that no longer change -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backup", "restore", "still"),
    [(None, None, 3600), (200.0, 600.0, 800), (10.0, 10.0, 300)],
)
def test_course_is_partial_after_one_unchanged_duration(
    moodle: Moodle, clock: Clock, settings: Any, backup: float | None, restore: float | None, still: int
) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 3 * 3600
    settings.CHECK_LONGEST = 200
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = submit()
    with moodle.held_at("renamed"):
        run_worker(job)
        DuplicationJob.objects.filter(pk=job.pk).update(expected_backup=backup, expected_restore=restore)
        moodle.wait_for_step("renamed")
        check_next(job, clock)
        assert job.likely_course_id is not None
        seen = timezone.now()
        check_until_ended(job, clock)
        assert job.state == State.FAILED
        assert still <= (timezone.now() - seen).total_seconds() <= still + 202


def test_change_of_a_course_restarts_the_wait(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 3000
    settings.CHECK_STILL_LEAST = 1
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = submit()
    with moodle.held_at("hidden", "renamed", "content"):
        run_worker(job)
        moodle.gates.release("hidden")
        for step in ("renamed", "content"):
            moodle.wait_for_step(step)
            # Each step lasts nearly a whole expected duration.
            until = timezone.now() + timedelta(seconds=930)
            while timezone.now() < until:
                assert check_next(job, clock).state == State.CHECKING
            moodle.gates.release(step)
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_job_fails_when_somebody_deletes_its_proven_course(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = run_worker(submit())
    while job.course_id is None:
        check_next(job, clock)
    moodle.state.delete(job.course_id)
    check_until_ended(job, clock)
    assert (job.state, job.failure_code) == (State.FAILED, "course_gone")
    assert reason(job, "failed").startswith(f"dupdash no longer finds the course of this job, id {job.course_id}, ")
    assert not job.left_partial_course


def test_job_ends_when_a_partial_course_cannot_be_listed(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 20
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        moodle.faults.set("html", function=CONTENTS)
        moodle.gates.release()
    check_until_ended(job, clock)
    assert job.state == State.UNRESOLVED
    assert f"Course that may be the copy: id {moodle.made()[0].id}" in reason(job, "unresolved")
    moodle.faults.clear()
    assert check_until_ended(job, clock, unresolved_too=True).state == State.FAILED
    assert job.may_have_left_course


# --- A Moodle that does not answer during checks ----------------------------------------------------------------


def job_with_unseen_copy(moodle: Moodle, settings: Any) -> DuplicationJob:
    """Return a job in *checking*: Moodle made the copy, no lookup has shown it, and the answer was lost."""
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("reset_after", count=1)
    return run_worker(submit())


def test_checking_continues_when_moodle_is_back(moodle: Moodle, clock: Clock, settings: Any) -> None:
    job = job_with_unseen_copy(moodle, settings)
    moodle.faults.set("refuse", seconds=3600)
    for _ in range(2):
        assert check_next(job, clock).state == State.CHECKING
    moodle.faults.clear()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_configuration_fault_during_a_check_pauses_dispatch(moodle: Moodle, clock: Clock, settings: Any) -> None:
    job = job_with_unseen_copy(moodle, settings)
    moodle.switches.tokens_revoked = True
    assert check_next(job, clock).state == State.CHECKING
    assert MoodleHealth.current().fault_code == "invalidtoken"
    moodle.switches.tokens_revoked = False
    clock.forward(60)
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert MoodleHealth.current().paused_at is None


@pytest.mark.parametrize("fault", ["wrong_course", "html", "empty", "truncated", "bad_gateway", "reset_before"])
def test_wrong_lookups_do_not_change_the_result(moodle: Moodle, clock: Clock, settings: Any, fault: str) -> None:
    job = job_with_unseen_copy(moodle, settings)
    moodle.faults.set(fault, function="*", count=7)
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert job.course_id == moodle.course("NEW-1").id


def still_restoring(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """Return a job whose answer was lost, and whose course was seen and still has its temporary name."""
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = submit()
    run_worker(job)
    DuplicationJob.objects.filter(pk=job.pk).update(expected_backup=300, expected_restore=300)
    moodle.gates.release("hidden")
    moodle.wait_for_step("renamed")
    return check_next(job, clock)


def test_slow_backup_extends_the_checking(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A backup that takes ten times as long as expected extends the time of checking."""
    settings.CHECK_STILL_LEAST, settings.CHECK_LIMIT_LEAST = 300, 1800
    with moodle.held_at("hidden", "renamed"):
        job = still_restoring(moodle, clock)
        assert job.sent_at is not None
        DuplicationJob.objects.filter(pk=job.pk).update(restore_at=job.sent_at + timedelta(minutes=50))
        for _ in range(60):
            assert check_next(job, clock).state == State.CHECKING, timeline_of(job)
        moodle.gates.release()
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_single_check_after_a_long_pause_makes_no_partial_course(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A single check after a long pause does not make a course partial, because nobody saw it unchanged in between."""
    settings.CHECK_STILL_LEAST, settings.CHECK_LIMIT_LEAST = 300, 18_000
    with moodle.held_at("hidden", "renamed"):
        job = still_restoring(moodle, clock)
        clock.forward(4000)
        tasks.sweep()
        job.refresh_from_db()
        assert job.state == State.CHECKING, timeline_of(job)
        moodle.gates.release()
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


# --- The sweep -------------------------------------------------------------------------------------------------


def test_sweep_dispatches_waiting_jobs(moodle: Moodle) -> None:
    job = a_job(State.QUEUED)
    tasks.sweep()
    job.refresh_from_db()
    assert job.dispatched_at is not None


def test_sweep_makes_missing_verification_reports(moodle: Moodle) -> None:
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        moodle.faults.set("html", function=CONTENTS)
        moodle.gates.release()
    job.refresh_from_db()
    assert (job.state, job.verification) == (State.SUCCEEDED, None)
    moodle.faults.clear()
    events = kinds(job)
    tasks.sweep()
    job.refresh_from_db()
    assert job.verification is not None
    assert job.verification["complete"]
    assert kinds(job) == events


def test_sweep_changes_nothing_when_nothing_is_due(moodle: Moodle) -> None:
    job = run_worker(submit())
    before = JobEvent.objects.count()
    for _ in range(3):
        tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert JobEvent.objects.count() == before


def test_sweep_does_not_dispatch_while_paused(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.webservices = False
    run_worker(job)
    tasks.sweep()
    dispatch.dispatch()
    job.refresh_from_db()
    assert job.dispatched_at is None


# --- A slow Moodle, and a Moodle that is deleting a course --------------------------------------------------------

NAMES = [f"AT&T_{counter}" for counter in range(1, 11)]


def check_without_time(job: DuplicationJob) -> None:
    """Check a job in a sweep whose time limit is nearly reached."""
    DuplicationJob.objects.filter(pk=job.pk).update(check_at=timezone.now())
    with open_client() as client:
        assert checking.check(job.pk, client, deadline=time.monotonic())
    job.refresh_from_db()


def test_temporary_names_are_spread_over_checks_of_a_slow_moodle(moodle: Moodle) -> None:
    """With a slow Moodle each check looks up only some temporary names. With a fast Moodle it looks up all."""
    asked: list[str] = []
    for name in NAMES:
        for _ in range(11):
            moodle.when(NEW, lambda name=name: asked.append(name), about=name)  # type: ignore[misc]
    job = checked_job(moodle, baseline={"names": NAMES, "present": []})
    for _ in NAMES[1:]:
        check_without_time(job)
    likely = NAMES[7]
    assert asked[::2] == [likely] * 9
    assert {*asked[1::2]} == {*NAMES} - {likely}
    asked.clear()
    check(job)
    assert sorted(asked) == sorted(NAMES)


def test_job_fails_only_after_all_names_were_looked_up(moodle: Moodle, clock: Clock) -> None:
    """With a slow Moodle a job fails only after all temporary names were looked up, to name any partial course."""
    job = checked_job(moodle, baseline={"names": NAMES, "present": []}, request_error="cannotrestore")
    left = moodle.add(NAMES[8])
    for _ in NAMES:
        if job.state == State.CHECKING:
            check_without_time(job)
    assert job.state == State.FAILED
    assert f"id {left.id}" in reason(job, "failed")


def test_unanswered_check_ends_the_sweep(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_READ_TIMEOUT = 0.2
    one, two = (checked_job(moodle, shortname=name, source_id=source) for name, source in (("ONE", 7), ("TWO", 8)))
    clock.forward(3)
    moodle.faults.set("slow", function=NEW, factor=50)
    tasks.sweep()
    looks = sorted(DuplicationJob.objects.filter(pk__in=(one.pk, two.pk)).values_list("checks", flat=True))
    assert looks == [0, 1]


def test_sweep_dispatches_before_it_asks_moodle(moodle: Moodle, clock: Clock) -> None:
    """A sweep dispatches jobs before it calls Moodle, so that a hanging Moodle does not delay them."""
    due, forgotten = checked_job(moodle), a_job(State.QUEUED, "OTHER")
    seen: list[object] = []
    moodle.when(NEW, lambda: seen.append(DuplicationJob.objects.get(pk=forgotten.pk).dispatched_at), about="AT&T_1")
    check_next(due, clock)
    assert seen != [None]
    assert len(seen) == 1


def test_only_one_sweep_at_a_time_asks_moodle(moodle: Moodle, clock: Clock) -> None:
    """Only one sweep at a time calls Moodle. A second sweep does only the work that needs no Moodle."""
    due, other = checked_job(moodle), checked_job(moodle, shortname="OTHER", source_id=7)
    found: list[tuple[int, bool]] = []

    def sweep_at_the_same_time() -> None:
        forgotten = a_job(State.QUEUED, "FORGOTTEN")
        with Background(tasks.sweep):
            pass
        other.refresh_from_db()
        forgotten.refresh_from_db()
        found.append((other.checks, forgotten.dispatched_at is not None))

    moodle.when(NEW, sweep_at_the_same_time, about="AT&T_1")
    check_next(due, clock)
    assert found == [(0, True)]
    other.refresh_from_db()
    assert other.checks == 1, "in its turn"


def lock_is_held() -> bool:
    return DatabaseLock.objects.filter(database_lock.HELD, name=database_lock.MOODLE).exists()


def test_expired_lock_is_taken(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.LEASE_SECONDS = 0.2
    job = checked_job(moodle)
    DatabaseLock.objects.create(
        name=database_lock.MOODLE, token="dead", expires_at=timezone.now() + timedelta(seconds=0.5)
    )
    assert check_next(job, clock).checks == 0
    await_until(lambda: not lock_is_held(), "the lock to expire")
    tasks.sweep()
    job.refresh_from_db()
    assert job.checks == 1


def test_lock_is_renewed(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.LEASE_SECONDS = 0.4
    job = checked_job(moodle)
    until = time.monotonic() + 1.2
    held: list[bool] = []

    def take_long() -> None:
        await_until(lambda: time.monotonic() > until, "three leases to pass")
        held.append(lock_is_held())

    moodle.when(NEW, take_long, about="AT&T_1")
    assert check_next(job, clock).checks == 1
    assert held == [True]
    assert not lock_is_held()


def to_be_removed(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """Return a cancelled job whose answer was lost and whose copy is complete, so the copy must be deleted."""
    moodle.faults.set("gateway_timeout", at=0.2, count=1)
    job = submit()
    with moodle.held_at("hidden"):
        run_worker(job)
        jobs.cancel(job, actor=None)
        check_next(job, clock)
    moodle.wait_for_copies()
    return job


def seconds_until_next_check(job: DuplicationJob) -> float:
    job.refresh_from_db()
    assert job.check_at is not None
    return (job.check_at - timezone.now()).total_seconds()


def test_job_is_not_checked_while_its_copy_is_being_deleted(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A job is not checked while a deletion of its copy is in progress, so that the copy is not deleted twice."""
    settings.MOODLE_DUPLICATION_TIMEOUT = 7200
    job = to_be_removed(moodle, clock)
    pauses: list[float] = []
    moodle.when(DELETE, lambda: pauses.append(seconds_until_next_check(job)))
    assert check_until_ended(job, clock).state == State.CANCELLED
    assert len(pauses) == 1
    assert pauses[0] > 300


def test_unanswered_deletion_is_awaited(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """After a deletion without an answer, dupdash waits, because Moodle may still be deleting the course."""
    settings.MOODLE_DUPLICATION_TIMEOUT = 7200
    job = to_be_removed(moodle, clock)
    moodle.faults.set("reset_before", function=DELETE, count=1)
    while not moodle.faults.struck["reset_before"]:
        check_next(job, clock)
    assert seconds_until_next_check(job) > 290
    assert check_until_ended(job, clock).state == State.CANCELLED


def test_deletion_that_was_not_sent_is_retried_soon(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_TOKEN, settings.MOODLE_DUPLICATION_TIMEOUT = MANAGER_TOKEN, 7200
    job = to_be_removed(moodle, clock)

    def close() -> None:
        moodle.switches.maintenance = True

    moodle.when(DELETE, close)
    while not moodle.switches.maintenance:
        check_next(job, clock)
    assert seconds_until_next_check(job) < 61
    moodle.switches.maintenance = False
    assert check_until_ended(job, clock).state == State.CANCELLED


TAKEN_OVER = [{"fullname": "Biology 2027, in use since Monday"}, {"categoryid": 3}]


@pytest.mark.parametrize("taken", TAKEN_OVER)
def test_copy_that_was_renamed_before_the_check_is_not_deleted(
    moodle: Moodle, clock: Clock, taken: dict[str, Any]
) -> None:
    """The copy of a cancelled job is not deleted if a person renamed it before the check that finds it complete."""
    job = to_be_removed(moodle, clock)
    copy = moodle.course("NEW-1")
    moodle.change(copy.id, **taken)
    check_until_ended(job, clock)
    assert moodle.by_id(copy.id) is not None, timeline_of(job)


@pytest.mark.parametrize("taken", TAKEN_OVER)
def test_copy_that_was_renamed_between_attempts_is_not_deleted(
    moodle: Moodle, clock: Clock, settings: Any, taken: dict[str, Any]
) -> None:
    settings.MOODLE_TOKEN = MANAGER_TOKEN
    job = to_be_removed(moodle, clock)

    def close() -> None:
        moodle.switches.maintenance = True

    moodle.when(DELETE, close)
    while not moodle.switches.maintenance:
        check_next(job, clock)
    moodle.switches.maintenance = False
    copy = moodle.course("NEW-1")
    moodle.change(copy.id, **taken)
    check_until_ended(job, clock)
    assert moodle.by_id(copy.id) is not None, timeline_of(job)


def test_deletion_that_exceeds_its_timeout_is_awaited(
    moodle: Moodle, clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MOODLE_DUPLICATION_TIMEOUT = 7200
    job = to_be_removed(moodle, clock)
    monkeypatch.setattr("dupdash.moodle.client.DELETION_LONGEST", 0.2)
    begun: list[float] = []

    def take_long() -> None:
        begun.append(time.monotonic())
        time.sleep(1)

    moodle.when(DELETE, take_long)
    while not begun:
        check_next(job, clock)
    assert seconds_until_next_check(job) > 290


def record_late_answer(job: DuplicationJob, course_id: int) -> None:
    """Record an answer that a worker received after it had lost its lease."""
    late_answer.record_late_answer(DuplicationJob.objects.get(pk=job.pk), course_id)
    connection.close()


def test_check_does_not_end_with_a_course_of_an_outdated_proof(moodle: Moodle, clock: Clock) -> None:
    job = checked_job(moodle, sent_at=timezone.now() - timedelta(hours=1))
    sections = moodle.course("AT&T").sections
    theirs = moodle.add("NEW-1", fullname=job.fullname, sections=sections)
    # The first call belongs to the check, and the second to the verification.
    moodle.when(CONTENTS, lambda: None, about=str(theirs.id))
    moodle.when(CONTENTS, lambda: record_late_answer(job, theirs.id + 1), about=str(theirs.id))
    check_next(job, clock)
    assert "is not this copy" in reason(job, "late_answer")
    assert (job.state, job.course_id) == (State.CHECKING, None), timeline_of(job)
    assert evidence_of(job).answered == theirs.id + 1


def test_course_of_an_outdated_proof_is_not_deleted(moodle: Moodle, clock: Clock) -> None:
    job = checked_job(moodle, cancel_requested_at=timezone.now(), sent_at=timezone.now() - timedelta(hours=1))
    theirs = moodle.add("NEW-1", fullname=job.fullname, sections=moodle.course("AT&T").sections)

    def arm() -> None:
        # After the contents the names are read again. Then comes the lookup before the deletion.
        moodle.when(NEW, lambda: None, about=str(theirs.id))
        moodle.when(NEW, lambda: record_late_answer(job, theirs.id + 1), about=str(theirs.id))

    moodle.when(CONTENTS, arm, about=str(theirs.id))
    check_next(job, clock)
    assert "is not this copy" in reason(job, "late_answer")
    assert moodle.by_id(theirs.id) is not None, timeline_of(job)


def test_unanswered_checks_after_an_error_do_not_count(moodle: Moodle, clock: Clock) -> None:
    job = checked_job(moodle, baseline={"names": NAMES, "present": []}, request_error="cannotrestore")
    left = moodle.add(NAMES[8])
    moodle.faults.set("refuse", seconds=3600)
    for _ in NAMES:
        check_next(job, clock)
    moodle.faults.clear()
    for _ in NAMES:
        if job.state == State.CHECKING:
            check_without_time(job)
    assert job.state == State.FAILED
    assert f"id {left.id}" in reason(job, "failed")


def test_unanswered_checks_are_not_counted_as_answered(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """The event of an unresolved job counts only the checks that Moodle answered."""
    settings.CHECK_LIMIT_UNKNOWN = 60
    job = checked_job(moodle)
    moodle.faults.set("html", function="core_course_get_courses_by_field")
    while (timezone.now() - job.checking_since).total_seconds() < 40:  # type: ignore[operator]
        check_next(job, clock)
    assert job.state == State.CHECKING, "nobody could look"
    moodle.faults.clear()
    assert check_until_ended(job, clock).state == State.UNRESOLVED
    assert reason(job, "unresolved").startswith(
        "dupdash checked once whether Moodle has a course called “Copy called NEW-1” (NEW-1)"
    )
