"""Tests that the checks for runs with several hosts find violations."""

from datetime import UTC, datetime, timedelta

from tests.hosts.invariants import JobTimes, passed_over, sent_before_course_seen

START = datetime(2027, 1, 1, tzinfo=UTC)


def times_of(
    shortname: str, source: int, queued: int, dispatched: int, released: int, *, repeated: bool = False
) -> JobTimes:
    """Return the times of a job in seconds. The request is sent a second after the dispatch."""
    at = [START + timedelta(seconds=second) for second in (queued, dispatched, dispatched + 1, released)]
    return JobTimes(shortname, source, *at, repeated=repeated)


def test_two_unseen_copies_of_one_source_are_found() -> None:
    assert sent_before_course_seen([times_of("A", 7, 0, 1, 9), times_of("B", 7, 0, 3, 12)]) == [
        "B was sent while A had not been seen"
    ]
    assert (
        sent_before_course_seen([times_of("A", 7, 0, 1, 9), times_of("B", 7, 0, 8, 12), times_of("C", 8, 0, 3, 9)])
        == []
    )


def test_a_job_that_was_dispatched_before_an_earlier_one_is_found() -> None:
    assert passed_over([times_of("A", 7, 0, 15, 19), times_of("B", 8, 1, 13, 19)]) == ["B was dispatched before A"]
    assert passed_over([times_of("A", 7, 0, 15, 19, repeated=True), times_of("B", 8, 1, 13, 19)]) == []


def test_a_job_whose_source_is_busy_may_be_passed_over() -> None:
    assert passed_over([times_of("X", 7, 0, 0, 14), times_of("A", 7, 0, 15, 19), times_of("B", 8, 1, 13, 19)]) == []


def test_release_just_before_a_dispatch_may_have_been_invisible() -> None:
    late, early = times_of("X", 7, 0, 0, 11), times_of("X", 7, 0, 0, 10)
    waiting = [times_of("A", 7, 0, 15, 19), times_of("B", 8, 1, 13, 19)]
    assert passed_over([late, *waiting]) == []
    assert passed_over([early, *waiting]) == ["B was dispatched before A"]


def test_job_queued_just_before_a_dispatch_may_have_been_invisible() -> None:
    dispatched_first = times_of("B", 8, 12, 13, 19)
    assert passed_over([times_of("A", 7, 11, 15, 19), dispatched_first]) == []
    assert passed_over([times_of("A", 7, 10, 15, 19), dispatched_first]) == ["B was dispatched before A"]
