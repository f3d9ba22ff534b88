"""Converts calendar dates of courses to Moodle's timestamps and back, in the time zone of the Moodle site.

The copy keeps the time of day of the source's dates, so that everything moves by whole days.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from dupdash.moodle.records import Course

WEEK = timedelta(weeks=1)


def site_zone() -> ZoneInfo:
    return ZoneInfo(settings.MOODLE_TIME_ZONE)


def day_of(moment: int | None) -> date | None:
    """Return the calendar date of a timestamp; None for None, and for 0, which Moodle stores for "no date"."""
    return datetime.fromtimestamp(moment, site_zone()).date() if moment else None


def moment_on(day: date, like: int | None) -> int:
    """Return the timestamp on the calendar date ``day``.

    The time of day is that of the timestamp ``like``, or midnight if ``like`` is None or 0.
    """
    clock = datetime.fromtimestamp(like, site_zone()).time() if like else time.min
    return int(datetime.combine(day, clock, tzinfo=site_zone()).timestamp())


def moved(moment: int, days: timedelta) -> datetime:
    """Return the time that is ``days`` (whole days) after the timestamp ``moment``, at the same time of day."""
    zone = site_zone()
    local = datetime.fromtimestamp(moment, zone)
    return datetime.combine(local.date() + days, local.time(), tzinfo=zone).astimezone(UTC)


def shift(start: date | None, source: Course) -> timedelta:
    """Return the time from the start date of the source to ``start``; zero if either is missing."""
    before = day_of(source.startdate)
    return start - before if start and before else timedelta(0)


def dates_to_set(start: date | None, end: date | None, source: Course) -> Mapping[str, int]:
    """Return the timestamps that a copy gets instead of those of its source: "startdate", "enddate", both or none.

    If only a start date is requested, the source's end date moves by the same number of days. If the requested end
    date is before the start date of the copy, the end date is set to the start date.
    """
    moments: dict[str, int] = {}
    if start is not None:
        moments["startdate"] = moment_on(start, source.startdate)
    if end is not None:
        moments["enddate"] = max(moment_on(end, source.enddate), moments.get("startdate", 0))
    elif source.enddate and (days := shift(start, source)):
        moments["enddate"] = int(moved(source.enddate, days).timestamp())
    return moments


def in_whole_weeks(source_start: date, near: date) -> date:
    """Return the date nearest to ``near`` that is whole weeks from ``source_start``, so that weekdays do not change."""
    return source_start + WEEK * round((near - source_start) / WEEK)
