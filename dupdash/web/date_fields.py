"""Days, as the site counts them: from midnight to midnight in ``TIME_ZONE``."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.timezone import get_default_timezone, localdate

# Beyond these a slip of the finger is likelier than a copy.
FIRST, LAST = date(2000, 1, 1), date(2100, 12, 31)


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=get_default_timezone())


def end_of(day: date) -> datetime:
    """The first moment that is no longer of this day."""
    return start_of(day + timedelta(days=1))


def today() -> date:
    return localdate(timezone=get_default_timezone())


class DayField(forms.DateField):
    """A day in a filter, as the browser's own calendar sends it."""

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            error_messages={"invalid": "Give a day as year-month-day, for example 2026-03-31."},
            validators=[
                MinValueValidator(FIRST, f"Give a day from {FIRST.year} on."),
                MaxValueValidator(LAST, f"Give a day up to {LAST.year}."),
            ],
        )
