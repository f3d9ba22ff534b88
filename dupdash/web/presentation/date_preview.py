"""Previews the dates of a copy and of some of its activities, and suggests start dates."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dupdash.duplication.course_dates import WEEK, dates_to_set, day_of, in_whole_weeks, shift, site_zone
from dupdash.duplication.quantities import counted
from dupdash.moodle.driver_abilities import ABILITIES, Driver
from dupdash.moodle.records import Course
from dupdash.web.course_size import Size, of_each_label
from dupdash.web.earlier_copies import Target

SAMPLES_MOST = 4
# The time from one term to the next: half a year.
HALF_YEAR = 26 * WEEK


@dataclass(frozen=True)
class Change:
    """A date in the source and the same date in the copy, as text in the time zone of Moodle."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Offer:
    """A suggested start date, whole weeks after the source's start date, so that every date keeps its weekday."""

    day: date
    weeks: int


@dataclass(frozen=True)
class DatePreview:
    # The dates of the course, if those of the copy differ.
    changes: tuple[Change, ...] = ()
    # Dates of activities, the soonest first; empty if the dates of activities do not move with the start date.
    samples: tuple[Change, ...] = ()
    # How far the dates move, such as "52 weeks later"; "" if they stay.
    shift: str = ""
    # Why the dates fall on other weekdays; "" if they do not.
    warning: str = ""
    activities_move: bool = False
    offers: tuple[Offer, ...] = ()


def date_preview(source: Course, size: Size | None, target: Target, driver: Driver, years: int) -> DatePreview:
    """Return the preview of the dates.

    ``years``: the years between the source and the copy, according to their names.
    """
    days = shift(target.startdate, source)
    moves = ABILITIES[driver].details
    return DatePreview(
        changes=_changes(source, target),
        samples=_samples(size, source, target) if moves and days else (),
        shift=in_words(days),
        warning=_warning(days),
        activities_move=moves,
        offers=offers(source, years),
    )


def offers(source: Course, years: int) -> tuple[Offer, ...]:
    """Return two suggested start dates: about half a year and about ``years`` years later, in whole weeks.

    Returns none if the source has no start date.
    """
    start = day_of(source.startdate)
    if start is None:
        return ()
    later = (start + HALF_YEAR, in_whole_weeks(start, start + timedelta(days=round(365.25 * max(1, years)))))
    return tuple(Offer(day, (day - start) // WEEK) for day in later)


def in_words(days: timedelta) -> str:
    if not days:
        return ""
    count, unit = (abs(days) // WEEK, "week") if days % WEEK == timedelta(0) else (abs(days.days), "day")
    return f"{counted(count, unit)} {'later' if days > timedelta(0) else 'earlier'}"


def _warning(days: timedelta) -> str:
    if days % WEEK == timedelta(0):
        return ""
    return "This is not a whole number of weeks, so dates fall on other weekdays than in the source."


def _changes(source: Course, target: Target) -> tuple[Change, ...]:
    moments = dates_to_set(target.startdate, target.enddate, source)
    before = {"startdate": source.startdate, "enddate": source.enddate}
    words = {"startdate": "Course starts", "enddate": "Course ends"}
    return tuple(Change(words[name], _day(before[name]), _day(moment)) for name, moment in moments.items())


def _samples(size: Size | None, source: Course, target: Target) -> tuple[Change, ...]:
    """Return dates of some activities in the source and in the copy. Moodle adds the same number of seconds to all."""
    start = dates_to_set(target.startdate, None, source).get("startdate", 0)
    moved = start - (source.startdate or 0)
    chosen = of_each_label(size.dates, SAMPLES_MOST) if size else ()
    return tuple(
        Change(f"{one.activity}: {one.label}", _moment(one.moment), _moment(one.moment + moved)) for one in chosen
    )


def _day(moment: int | None) -> str:
    return f"{datetime.fromtimestamp(moment, site_zone()):%-d %b %Y}" if moment else "no date"


def _moment(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, site_zone()):%-d %b %Y %H:%M}"
