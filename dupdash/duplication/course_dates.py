"""Calendar dates of courses, in the time zone of the Moodle site.

A request names calendar dates; Moodle stores moments. A date keeps the time of day that the source has, so that a shift
moves everything by whole days.
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
    """The calendar date of a moment; None where there is none: Moodle stores 0 for that."""
    return datetime.fromtimestamp(moment, site_zone()).date() if moment else None


def moment_on(day: date, like: int | None) -> int:
    """A moment of a calendar date, at the same time of day as ``like``; at midnight without that."""
    clock = datetime.fromtimestamp(like, site_zone()).time() if like else time.min
    return int(datetime.combine(day, clock, tzinfo=site_zone()).timestamp())


def moved(moment: int, days: timedelta) -> datetime:
    """A moment some days later, at the same time of day."""
    zone = site_zone()
    local = datetime.fromtimestamp(moment, zone)
    return datetime.combine(local.date() + days, local.time(), tzinfo=zone).astimezone(UTC)


def shift(start: date | None, source: Course) -> timedelta:
    """By how many days a copy with this start date is later than its source."""
    before = day_of(source.startdate)
    return start - before if start and before else timedelta(0)


def dates_to_set(start: date | None, end: date | None, source: Course) -> Mapping[str, int]:
    """The moments that a copy gets in place of its source's, by their names in Moodle.

    An end that is not asked for moves with the start.
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
    """The date nearest to ``near`` that is whole weeks away from a start, so that every weekday stays what it is."""
    return source_start + WEEK * round((near - source_start) / WEEK)
