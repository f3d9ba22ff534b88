"""Computes the start date of a copy.

It is unchanged, the same for all copies, or a number of weeks after that of the source.
"""

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
    """The rule for start dates. The end date moves with the start date.

    ``start``: the start date of all copies (DateRule.ONE). ``weeks``: how many weeks after its source each copy starts
    (DateRule.WEEKS). Whole weeks keep the weekdays.
    """

    rule: DateRule = DateRule.KEEP
    start: date | None = None
    weeks: int = 0

    def start_of(self, course: Course) -> date | None:
        """Return the start date of the copy of ``course``; None if it keeps the source's, or the source has none."""
        match self.rule:
            case DateRule.KEEP:
                return None
            case DateRule.ONE:
                return self.start
            case DateRule.WEEKS:
                own = day_of(course.startdate)
                return own + timedelta(weeks=self.weeks) if own else None
