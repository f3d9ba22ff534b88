"""Tests the calendar dates of courses in the time zone of the Moodle site."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dupdash.duplication.course_dates import dates_to_set, day_of, in_whole_weeks, moment_on
from dupdash.moodle.records import Course

BERLIN = ZoneInfo("Europe/Berlin")


def moment(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=BERLIN).timestamp())  # type: ignore[arg-type, misc]


@pytest.fixture(autouse=True)
def site_in_berlin(settings: Any) -> None:
    settings.MOODLE_TIME_ZONE = "Europe/Berlin"


def course(startdate: int, enddate: int = 0) -> Course:
    return Course(5, "SRC", "Source", 2, startdate=startdate, enddate=enddate)


def test_day_is_counted_in_the_zone_of_the_site() -> None:
    assert day_of(int(datetime(2025, 8, 31, 22, tzinfo=UTC).timestamp())) == date(2025, 9, 1)
    assert day_of(0) is None


def test_date_keeps_the_time_of_day_of_the_source() -> None:
    assert moment_on(date(2026, 9, 14), like=moment(2025, 9, 15, 8, 30)) == moment(2026, 9, 14, 8, 30)
    assert moment_on(date(2026, 9, 14), like=0) == moment(2026, 9, 14)


def test_end_moves_by_whole_days_across_daylight_saving() -> None:
    """The end date moves by whole days when the clocks change, so that midnight stays midnight."""
    source = course(moment(2025, 9, 1), moment(2025, 10, 1))
    assert dates_to_set(date(2025, 10, 6), None, source) == {
        "startdate": moment(2025, 10, 6),
        "enddate": moment(2025, 11, 5),
    }


@pytest.mark.parametrize(
    ("start", "end", "source", "expected"),
    [
        (None, None, (2025, 9, 1), {}),
        (None, date(2026, 1, 31), (2025, 9, 1), {"enddate": (2026, 1, 31)}),
        (date(2026, 9, 1), None, (2025, 9, 1), {"startdate": (2026, 9, 1)}),
        (
            date(2026, 9, 1),
            date(2026, 9, 1),
            (2025, 9, 1, 8),
            {"startdate": (2026, 9, 1, 8), "enddate": (2026, 9, 1, 8)},
        ),
    ],
    ids=["none", "end only", "no end to move", "end on the day of the start"],
)
def test_only_changed_dates_are_set(start: date, end: date, source: tuple[int, ...], expected: dict[str, Any]) -> None:
    wanted = {name: moment(*parts) for name, parts in expected.items()}
    assert dates_to_set(start, end, course(moment(*source))) == wanted


def test_shift_by_whole_weeks_keeps_the_weekday() -> None:
    monday = date(2025, 9, 15)
    assert in_whole_weeks(monday, date(2026, 9, 15)) == date(2026, 9, 14)
    assert in_whole_weeks(monday, date(2026, 9, 17)).weekday() == monday.weekday()
