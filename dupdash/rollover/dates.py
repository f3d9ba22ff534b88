"""Finds the start date for the copy of a course: that of the source, one for all, or some weeks later."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from dupdash.duplication.course_dates import day_of
from dupdash.moodle.records import Course


class DateRule(StrEnum):
    KEEP = "keep"
    ONE = "one"
    WEEKS = "weeks"


@dataclass(frozen=True)
class Dates:
    """``start``: for ONE. ``weeks``: for WEEKS; whole weeks keep every weekday. The end always moves with the start."""

    rule: DateRule = DateRule.KEEP
    start: date | None = None
    weeks: int = 0

    def start_of(self, course: Course) -> date | None:
        """The start date that a row asks for; None where the copy keeps that of its source."""
        match self.rule:
            case DateRule.KEEP:
                return None
            case DateRule.ONE:
                return self.start
            case DateRule.WEEKS:
                own = day_of(course.startdate)
                return own + timedelta(weeks=self.weeks) if own else None
