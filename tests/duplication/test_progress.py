"""Tests phase, overall progress and time left: they never go backward and are never invented."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dupdash.duplication.drivers.asynchronous import changes_from_report
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import (
    CONTENT_VISIBLE,
    ESTIMATE_MOST,
    UNSEEN_RESTORE_MOST,
    overall_of_report,
    progress,
)
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from dupdash.moodle.records import EXECUTING, RESTORE_PHASE, AsyncStatus
from tests.duplication.support import (
    Clock,
    Moodle,
    a_job,
    await_until,
    check_next,
    check_until_ended,
    dispatch_again,
    run_worker,
    submit,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def row(state: State = State.RUNNING, **columns: Any) -> DuplicationJob:
    """Return a job without saving it in the database."""
    given = {"shortname": "NEW-1", "source_shortname": "SRC", "driver": "synchronous", "phase": Phase.BACKUP}
    return DuplicationJob(state=state, **(given | columns))


# --- The shown figures -----------------------------------------------------------------------------------------


def test_progress_is_unknown_without_history() -> None:
    shown = progress(row(sent_at=at(0)), at(500))
    assert (shown.phase, shown.backup, shown.overall, shown.time_left) == ("backup", None, None, None)
    assert not shown.estimated
    assert shown.number == 0


def test_backup_is_done_when_the_course_was_seen() -> None:
    job = row(sent_at=at(0), restore_at=at(5), phase=Phase.RESTORE)
    shown = progress(job, at(500))
    assert (shown.backup, shown.restore, shown.overall, shown.number) == (1.0, None, None, 0.5)


def test_first_copy_has_a_rough_estimate() -> None:
    job = row(sent_at=at(0), source_activities=95)
    shown = [progress(job, at(seconds)) for seconds in (1, 3, 6, 60, 600)]
    assert all(one.rough and one.estimated and one.time_left is None for one in shown)
    figures = [one.number for one in shown]
    assert figures == sorted(figures)
    assert 0 < figures[0] < figures[1] < figures[2]
    assert figures[-1] == pytest.approx(0.5 + 0.5 * UNSEEN_RESTORE_MOST)
    restoring = row(sent_at=at(0), restore_at=at(5), source_activities=95, phase=Phase.RESTORE)
    late, later = progress(restoring, at(15)).number, progress(restoring, at(25)).number
    assert late < later < 1, "it goes on where the figure was too small"


def test_estimate_from_earlier_copies_is_not_rough() -> None:
    job = row(sent_at=at(0), source_activities=95, expected_backup=60.0, expected_restore=40.0)
    assert not progress(job, at(30)).rough


def test_restore_is_expected_at_the_pace_of_the_backup() -> None:
    """If the backup takes three times as long as expected, the restore is expected to do so, too."""
    job = row(sent_at=at(0), restore_at=at(90), expected_backup=60.0, expected_restore=40.0, phase=Phase.RESTORE)
    begun = progress(job, at(90)).number
    shown = progress(job, at(90 + 10))
    left = (1 - begun) * 100 * 1.5
    assert shown.restore == pytest.approx(10 / left, rel=0.01)
    assert shown.time_left is not None
    assert shown.time_left.total_seconds() == pytest.approx(left - 10, rel=0.01)


def test_pace_of_a_short_backup_counts_little() -> None:
    """The pace of a very short backup hardly changes the estimate, because it is measured too inexactly."""
    job = row(sent_at=at(0), restore_at=at(1), expected_backup=0.5, expected_restore=10.0, phase=Phase.RESTORE)
    left = progress(job, at(1)).time_left
    assert left is not None
    assert left.total_seconds() == pytest.approx(10, rel=0.3)


def test_estimate_is_marked() -> None:
    shown = progress(row(sent_at=at(0), expected_backup=60.0, expected_restore=40.0), at(30))
    assert shown.estimated
    assert (shown.backup, shown.restore) == (0.5, 0.0)
    assert shown.overall == pytest.approx(0.3)
    assert shown.time_left == timedelta(seconds=70)


def test_overdue_estimate_stops_below_the_end() -> None:
    shown = progress(row(sent_at=at(0), expected_backup=60.0, expected_restore=40.0), at(5000))
    assert (shown.backup, shown.restore) == (ESTIMATE_MOST, None)
    assert shown.overall == pytest.approx(0.6 + 0.4 * UNSEEN_RESTORE_MOST)
    assert shown.time_left is None
    job = row(sent_at=at(0), restore_at=at(10), expected_backup=60.0, expected_restore=40.0, phase=Phase.RESTORE)
    shown = progress(job, at(5000))
    assert shown.overall is not None
    assert shown.overall < 1
    assert shown.time_left is None, "how much longer is not known, and not claimed"


def test_seen_contents_raise_the_progress() -> None:
    job = row(
        sent_at=at(0), restore_at=at(60), content_at=at(61), expected_backup=60.0, expected_restore=40.0,
        phase=Phase.RESTORE,
    )  # fmt: skip
    assert progress(job, at(61)).restore == CONTENT_VISIBLE


@pytest.mark.parametrize("state", [State.QUEUED, State.AWAITING_APPROVAL])
def test_unsent_job_has_no_progress(state: State) -> None:
    shown = progress(row(state, phase=Phase.NONE), at(0))
    assert (shown.phase, shown.overall, shown.number, shown.time_left) == ("", 0, 0, None)


def test_succeeded_job_has_full_progress() -> None:
    assert progress(row(State.SUCCEEDED), at(0)).overall == 1.0


@pytest.mark.parametrize("state", [State.FAILED, State.UNRESOLVED, State.CANCELLED])
def test_ended_job_has_no_estimate(state: State) -> None:
    job = row(state, sent_at=at(0), expected_backup=10.0, expected_restore=10.0, progress_floor=0.4)
    for now in (1, 100, 10_000):
        shown = progress(job, at(now))
        assert (shown.overall, shown.estimated, shown.time_left) == (0.4, False, None)


# --- never backward ------------------------------------------------------------------------------------------

moments = st.lists(
    st.tuples(st.floats(0, 300), st.sampled_from(["wait", "candidate", "seen", "content", "queued", "checking", "up"])),
    min_size=1,
    max_size=25,
)
expectations = st.none() | st.tuples(st.floats(0.01, 200), st.floats(0.01, 200))


@given(moments, expectations, st.none() | st.integers(0, 1000))
def test_progress_never_goes_back_at_any_milestone(
    steps: list[tuple[float, str]], expected: tuple[float, float] | None, activities: int | None
) -> None:
    """The progress never decreases for any sequence of times and milestones, including a second attempt and checks."""
    job = row(sent_at=at(0), source_activities=activities)
    if expected:
        job.expected_backup, job.expected_restore = expected
    now = 0.0
    shown = 0.0

    def keep_floor() -> None:
        # A transition stores this when the job leaves a state in which Moodle is busy.
        if job.state in (State.RUNNING, State.CHECKING):
            job.progress_floor = progress(job, at(now)).number

    for seconds, what in [*steps, (1.0, "unresolved"), (1.0, "succeeded")]:
        now += seconds
        match what:
            case "candidate" if job.state != State.QUEUED:
                job.restore_at, job.phase = job.restore_at or at(now), Phase.RESTORE
            case "seen" if job.state != State.QUEUED:
                job.restore_at, job.phase = job.restore_at or at(now), Phase.RESTORE
                job.restore_at = job.restore_at or at(now)
            case "content" if job.restore_at is not None:
                job.content_at = job.content_at or at(now)
            case "queued" if job.state == State.RUNNING and job.restore_at is None:
                keep_floor()
                job.state, job.sent_at, job.restore_at, job.phase = State.QUEUED, None, None, Phase.NONE
            case "up" if job.state == State.QUEUED:
                job.state, job.sent_at, job.phase = State.RUNNING, at(now), Phase.BACKUP
            case "checking" if job.state == State.RUNNING:
                keep_floor()
                job.state = State.CHECKING
            case "unresolved" if job.state == State.CHECKING:
                keep_floor()
                job.state = State.UNRESOLVED
            case "succeeded":
                job.state = State.SUCCEEDED
        figure = progress(job, at(now)).number
        assert shown <= figure + 1e-9, f"{what} after {now} s"
        assert 0 <= figure <= 1
        shown = figure
    assert shown == 1.0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (State.RUNNING, State.QUEUED, {"sent_at": None}),
        (State.RUNNING, State.CHECKING, {}),
        (State.RUNNING, State.FAILED, {}),
        (State.CHECKING, State.UNRESOLVED, {}),
    ],
)
def test_transition_keeps_the_shown_progress(before: State, after: State, changes: dict[str, Any]) -> None:
    sent_at = timezone.now() - timedelta(seconds=30)
    job = a_job(before, sent_at=sent_at, expected_backup=60.0, expected_restore=60.0, driver="synchronous")
    shown = progress(job).number
    assert shown > 0.2
    move_job(job, after, kind="moved", reason="Because.", **changes)
    assert progress(job).number >= shown


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_history", [True, False])
def test_progress_never_goes_back_over_a_whole_job(
    moodle: Moodle, clock: Clock, with_history: bool, complete_timelines: None
) -> None:
    """The progress never decreases while a job collides, is sent again, loses its answer and is found by a check."""
    if with_history:
        run_worker(submit("AT&T", "BEFORE"))
    job = submit()
    figures = [0.0]

    def note_figure() -> None:
        job.refresh_from_db()
        shown = progress(job)
        figures.append(shown.number)
        if job.sent_at is not None and not job.is_terminal and job.state != State.UNRESOLVED:
            assert shown.estimated
            assert shown.rough is not with_history

    moodle.faults.set("storedfilenotcreated", count=1)
    run_worker(job)
    note_figure()
    dispatch_again(job)
    moodle.faults.set("gateway_timeout", at=0.01, count=1)
    with moodle.held_at("backup", "hidden", "renamed", "content"):
        run_worker(job)
        assert job.state == State.CHECKING
        for step in ("backup", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            for _ in range(2):
                check_next(job, clock)
                note_figure()
            moodle.gates.release(step)
    moodle.wait_for_copies()
    check_until_ended(job, clock)
    note_figure()
    assert figures == sorted(figures)
    assert figures[-1] == 1.0


@pytest.mark.django_db(transaction=True)
def test_second_attempt_starts_with_new_progress(moodle: Moodle) -> None:
    """A second attempt starts with progress 0, even if another person's restore was mistaken for that of the copy."""
    job = submit()

    def restore_by_hand() -> None:
        moodle.add("AT&T_1")
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).restore_at, "it to be noticed")
        connection.close()

    moodle.when("core_course_duplicate_course", restore_by_hand)
    moodle.faults.set("storedfilenotcreated", count=1)
    run_worker(job)
    assert (job.state, job.restore_at, job.phase, job.candidates) == (State.QUEUED, None, "", [])
    dispatch_again(job)
    assert run_worker(job).state == State.SUCCEEDED


# --- figures that a site reports by itself --------------------------------------------------------------------

reports = st.tuples(
    st.sampled_from([1, RESTORE_PHASE]),
    st.sampled_from([200, 600, 700, EXECUTING, 900, 1000]),
    st.floats(allow_nan=True, allow_infinity=True),
)


@given(reports, st.booleans())
def test_any_report_gives_progress_between_0_and_the_limit(
    report: tuple[int, int, float], reports_overall_progress: bool
) -> None:
    assert 0 <= overall_of_report(*report, reports_overall_progress=reports_overall_progress) < 1.0


@pytest.mark.parametrize(
    ("phase", "status", "figure", "overall"),
    [
        (1, 700, 0, 0),
        (1, EXECUTING, 0.5, 0.25),
        # The progress jumps to 1 and back while the second phase is prepared (measured).
        (2, 600, 1, 0.5),
        (2, EXECUTING, 0.2, 0.6),
        (2, EXECUTING, 1, 0.5),
    ],
)
def test_reports_of_two_phases_give_overall_progress(phase: int, status: int, figure: float, overall: float) -> None:
    assert overall_of_report(phase, status, figure, reports_overall_progress=False) == overall


def job_of_plugin(**columns: Any) -> DuplicationJob:
    return row(driver="plugin", sent_at=at(0), moodle_started_at=at(0), **columns)


def test_bar_goes_on_between_two_reports_at_the_pace_of_the_copy() -> None:
    """40 % after 40 seconds is one percent a second, until the report is three seconds old."""
    reported = {"reported_progress": 0.4, "progress_floor": 0.4, "reported_at": at(40)}
    job = job_of_plugin(phase=Phase.RESTORE, **reported)
    assert [round(progress(job, at(time)).number, 3) for time in (40, 42, 43, 70)] == [0.4, 0.42, 0.43, 0.43]
    assert progress(job, at(42)).time_left == timedelta(seconds=58)


def test_bar_waits_for_the_site_after_it_was_ahead() -> None:
    reported = {"reported_progress": 0.4, "progress_floor": 0.42, "reported_at": at(40)}
    job = job_of_plugin(phase=Phase.RESTORE, **reported)
    assert [round(progress(job, at(time)).number, 3) for time in (40, 42, 43)] == [0.42, 0.42, 0.43]


def test_bar_does_not_enter_the_restore_before_the_site_reports_it() -> None:
    reported = {"reported_progress": 0.48, "progress_floor": 0.48, "reported_at": at(10)}
    assert progress(job_of_plugin(**reported), at(13)).number == 0.5


def test_first_report_goes_on_at_the_pace_of_earlier_copies() -> None:
    reported = {"reported_progress": 0.0, "progress_floor": 0.0, "reported_at": at(0)}
    assert progress(job_of_plugin(**reported), at(2)).number == 0.0
    job = job_of_plugin(expected_backup=50.0, expected_restore=50.0, **reported)
    assert progress(job, at(2)).number == pytest.approx(0.02)
    assert progress(job, at(2)).time_left is None


@pytest.mark.parametrize(
    ("columns", "started"),
    [
        # No report said that the copy waits, so Moodle started it soon after the request.
        ({}, 0),
        ({"moodle_queue_ahead": 3}, 10),
        ({"expected_backup": 20.0, "expected_restore": 20.0}, 6),
        ({"expected_backup": 200.0, "expected_restore": 200.0}, 0),
    ],
)
def test_start_is_dated_back_from_the_first_report(columns: dict[str, Any], started: float) -> None:
    job = row(driver="plugin", sent_at=at(0), **columns)
    status = AsyncStatus(phase=1, status=EXECUTING, progress=0.1)
    assert changes_from_report(job, status, at(10))["moodle_started_at"] == at(started)


@given(
    st.lists(st.tuples(st.floats(0, 60), st.sampled_from([1, RESTORE_PHASE]), st.floats(0, 1)), max_size=20),
    expectations,
)
def test_progress_never_goes_back_with_any_reports(
    steps: list[tuple[float, int, float]], expected: tuple[float, float] | None
) -> None:
    job = row(driver="plugin", sent_at=at(0))
    if expected:
        job.expected_backup, job.expected_restore = expected
    now, shown = 0.0, 0.0
    for seconds, phase, figure in steps:
        for part in (seconds / 2, seconds / 2):
            now += part
            number = progress(job, at(now)).number
            assert shown <= number < 1
            shown = number
        status = AsyncStatus(phase=phase, status=EXECUTING, progress=figure)
        for column, value in changes_from_report(job, status, at(now)).items():
            setattr(job, column, value)
        number = progress(job, at(now)).number
        assert shown <= number < 1
        shown = number
