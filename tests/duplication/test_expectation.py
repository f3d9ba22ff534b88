"""Tests the expected duration of a copy, estimated from earlier copies and the load of the site."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dupdash.duplication.expectation import (
    SLOWDOWN,
    PastCopy,
    expect,
    expected_load,
    learned_slowdown,
    load_during,
    rough_expectation,
)
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import (
    Moodle,
    a_job,
    run_worker,
    submit,
    wait_until_course_is_seen,
    working_on,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def past(number: int, *, source_id: int, backup: float, restore: float, activities: int, **columns: Any) -> None:
    given = {
        "sent_at": START,
        "restore_at": at(backup),
        "finished_at": at(backup + restore),
    }
    a_job(
        State.SUCCEEDED,
        f"OLD-{number}",
        source_id=source_id,
        source_activities=activities,
        **(given | columns),
    )


@pytest.mark.django_db
def test_estimate_comes_from_earlier_copies_of_the_source() -> None:
    for number, backup in enumerate((10, 12, 100)):
        past(number, source_id=1, backup=backup, restore=20, activities=50)
    past(9, source_id=2, backup=500, restore=500, activities=50)
    expected = expect(1, 50)
    assert expected is not None
    assert (expected.backup, expected.restore, expected.copies, expected.of_this_source) == (12, 20, 3, True)


@pytest.mark.django_db
def test_estimate_for_a_new_source_uses_its_activities() -> None:
    for number in range(3):
        past(number, source_id=number, backup=10, restore=20, activities=95)
    expected = expect(99, 195)
    assert expected is not None
    assert (expected.backup, expected.restore, expected.of_this_source) == (20, 40, False)


@pytest.mark.django_db
def test_no_estimate_without_copies_or_size() -> None:
    assert expect(99, 195) is None
    past(1, source_id=1, backup=10, restore=20, activities=95)
    assert expect(99, None) is None


@pytest.mark.django_db
def test_copies_that_were_checked_do_not_count() -> None:
    past(1, source_id=1, backup=10, restore=9000, activities=5, checking_since=at(100))
    assert expect(1, 5) is None


@pytest.mark.django_db(transaction=True)
def test_estimate_is_stored_when_the_job_is_sent(moodle: Moodle) -> None:
    first = submit()
    with moodle.held_at("renamed"), working_on(first):
        wait_until_course_is_seen(first)
        moodle.gates.release()
    second = run_worker(submit(shortname="NEW-2"))
    first.refresh_from_db()
    assert first.sent_at is not None
    assert first.restore_at is not None
    assert first.expected_backup is None
    assert second.expected_backup == pytest.approx((first.restore_at - first.sent_at).total_seconds())


@pytest.mark.django_db
def test_copies_with_people_are_compared_with_copies_with_people() -> None:
    past(1, source_id=1, backup=10, restore=20, activities=5, options={"users": False})
    past(2, source_id=1, backup=70, restore=80, activities=5, options={"users": True})
    with_people = expect(1, 5, {"users": True})
    assert with_people is not None
    assert (with_people.backup, with_people.restore, with_people.copies) == (70, 80, 1)


# --- copies at the same time -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("measured_at", "load", "factor"), [(1, 3, 1 + 2 * SLOWDOWN), (3, 1, 1 / (1 + 2 * SLOWDOWN)), (2, 2, 1)]
)
def test_duration_is_converted_to_the_load_of_the_next_copy(measured_at: float, load: float, factor: float) -> None:
    past(1, source_id=1, backup=10, restore=20, activities=5, concurrent_copies=measured_at)
    for source_id in (1, 99):
        expected = expect(source_id, 5, load=load)
        assert expected is not None
        assert (expected.backup, expected.restore) == (pytest.approx(10 * factor), pytest.approx(20 * factor))


def copy(seconds: float, load: float, source_id: int = 1) -> PastCopy:
    return PastCopy(source_id, 10, False, seconds / 2, seconds / 2, load)


def test_slowdown_is_learned_from_copies_at_two_loads() -> None:
    measured = [copy(10, 1, source) for source in range(4)] + [copy(45, 8, source) for source in range(4)]
    assert learned_slowdown(measured) == pytest.approx(0.5)
    measured = [copy(22, 3, source) for source in range(4)] + [copy(45, 8, source) for source in range(4)]
    assert learned_slowdown(measured) == pytest.approx(23 / (22 * 7 - 45 * 2))


def test_single_pair_does_not_change_the_slowdown() -> None:
    assert learned_slowdown([copy(10, 1), copy(45, 8)]) == SLOWDOWN


def test_other_sources_and_equal_loads_do_not_show_the_slowdown() -> None:
    assert learned_slowdown([copy(10, 1), copy(45, 8, source_id=2)]) == SLOWDOWN
    alike = [copy(10, 2), copy(10, 2), copy(10, 2), copy(45, 2.3), copy(45, 2.3)]
    assert learned_slowdown(alike) == SLOWDOWN


@pytest.mark.parametrize(("quick", "slow", "slowdown"), [((10, 1), (5, 4), 0.0), ((10, 1), (900, 2), 1.0)])
def test_learned_slowdown_stays_within_its_bounds(
    quick: tuple[float, float], slow: tuple[float, float], slowdown: float
) -> None:
    measured = [copy(*one, source) for one in (quick, slow) for source in range(4)]
    assert learned_slowdown(measured) == slowdown


@pytest.mark.django_db
def test_load_counts_the_time_shared_with_other_copies() -> None:
    job = a_job(State.RUNNING, "OWN", sent_at=at(0))
    # The other copies run for half of the time, for the whole time, not at all, or were not sent.
    a_job(State.SUCCEEDED, "HALF", source_id=1, sent_at=at(-50), finished_at=at(50))
    a_job(State.RUNNING, "LONGER", source_id=2, sent_at=at(0))
    a_job(State.FAILED, "BEFORE", source_id=3, sent_at=at(-50), finished_at=at(-10))
    a_job(State.QUEUED, "WAITS", source_id=4)
    assert load_during(job, at(100)) == pytest.approx(2.5)


@pytest.mark.django_db
def test_expected_load_counts_running_and_waiting_jobs(settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 3
    assert expected_load() == 1
    a_job(State.RUNNING, "A", source_id=1, sent_at=at(0))
    a_job(State.QUEUED, "B", source_id=2)
    assert expected_load() == 2
    for number in range(5):
        a_job(State.QUEUED, f"C-{number}", source_id=number + 3)
    assert expected_load() == 3


@pytest.mark.django_db(transaction=True)
def test_finished_job_stores_its_load(moodle: Moodle) -> None:
    alone = run_worker(submit())
    assert alone.concurrent_copies == pytest.approx(1)
    jobs = [submit("5>3", "NEW-2"), submit(shortname="NEW-3")]
    with moodle.held_at("content"), working_on(jobs[0]), working_on(jobs[1]):
        for job in jobs:
            moodle.wait_for_step("content", job.shortname)
        moodle.gates.release()
    shared = DuplicationJob.objects.get(shortname="NEW-2").concurrent_copies
    assert shared is not None
    assert 1 < shared <= 2


# --- Rough estimates ---------------------------------------------------------------------------------------------


def test_rough_estimate_grows_with_the_activities_and_is_marked() -> None:
    small, large = rough_expectation(5), rough_expectation(307)
    assert small is not None
    assert large is not None
    assert small.rough
    assert 0 < small.total < large.total
    assert rough_expectation(None) is None
