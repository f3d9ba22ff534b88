"""Tests that the checks for runs with several hosts find violations."""

from datetime import UTC, datetime, timedelta

from tests.hosts.order_checks import Turn, overtaken, sent_before_course_seen

START = datetime(2027, 1, 1, tzinfo=UTC)


def turn(shortname: str, source: int, queued: int, dispatched: int, released: int, *, repeated: bool = False) -> Turn:
    """Return the times of a job in seconds. The request is sent a second after the dispatch."""
    at = [START + timedelta(seconds=second) for second in (queued, dispatched, dispatched + 1, released)]
    return Turn(shortname, source, *at, repeated=repeated)


def test_two_unseen_copies_of_one_source_are_found() -> None:
    assert sent_before_course_seen([turn("A", 7, 0, 1, 9), turn("B", 7, 0, 3, 12)]) == [
        "B was sent while A had not been seen"
    ]
    assert sent_before_course_seen([turn("A", 7, 0, 1, 9), turn("B", 7, 0, 8, 12), turn("C", 8, 0, 3, 9)]) == []


def test_a_job_that_was_dispatched_before_an_earlier_one_is_found() -> None:
    assert overtaken([turn("A", 7, 0, 5, 9), turn("B", 8, 1, 3, 9)]) == ["B was dispatched before A"]
    assert overtaken([turn("A", 7, 0, 5, 9, repeated=True), turn("B", 8, 1, 3, 9)]) == []


def test_a_job_whose_source_is_busy_may_be_passed_over() -> None:
    assert overtaken([turn("X", 7, 0, 0, 4), turn("A", 7, 0, 5, 9), turn("B", 8, 1, 3, 9)]) == []
