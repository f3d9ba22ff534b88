"""The form field for days, and functions for the start and end of a day in the time zone of dupdash (``TIME_ZONE``)."""

from datetime import date, datetime, time, timedelta

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.timezone import get_default_timezone, localdate

# A day outside of this range is a typing error.
FIRST, LAST = date(2000, 1, 1), date(2100, 12, 31)


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=get_default_timezone())


def end_of(day: date) -> datetime:
    """Return the time at which this day ends, which is the start of the next day."""
    return start_of(day + timedelta(days=1))


def today() -> date:
    return localdate(timezone=get_default_timezone())


def day_in(text: str) -> date | None:
    """Return the day that the browser's date picker sent as a string; None if it is not a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


class DayField(forms.DateField):
    """A form field that takes a day, with the browser's date picker."""

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            error_messages={"invalid": "Enter a day as year-month-day, for example 2026-03-31."},
            validators=[
                MinValueValidator(FIRST, f"Enter a day in {FIRST.year} or later."),
                MaxValueValidator(LAST, f"Enter a day up to {LAST.year}."),
            ],
        )
