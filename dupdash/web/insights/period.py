"""The form for the period of the charts: a number of days until today, or the time from one day to another."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict

from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.web.date_fields import DayField, end_of, start_of, today

DAYS = (7, 30, 90, 365)
USUAL = 30
# With more bars than this, they are too thin to tell them apart.
BARS_MOST = 92


@dataclass(frozen=True)
class Period:
    since: date
    until: date
    # One of DAYS, or None for a custom period.
    days: int | None = None

    @classmethod
    def latest(cls, days: int) -> "Period":
        return cls(today() - timedelta(days=days - 1), today(), days)

    @property
    def length(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def words(self) -> str:
        if self.days is not None:
            return f"The last {self.days} days"
        if self.since == self.until:
            return f"{self.since:%-d %B %Y}"
        return f"{self.since:%-d %B %Y} to {self.until:%-d %B %Y}"

    def query(self) -> dict[str, str]:
        if self.days is not None:
            return {"days": str(self.days)}
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}

    def jobs(self) -> JobQuerySet:
        """Return the jobs that were requested in this period. All charts show these jobs."""
        return DuplicationJob.objects.filter(
            created_at__gte=start_of(self.since), created_at__lt=end_of(self.until)
        ).order_by()


class PeriodForm(forms.Form):
    since = DayField("From")
    until = DayField("Until")

    def __init__(self, asked: QueryDict) -> None:
        super().__init__(asked, auto_id="period-%s")
        self.days = next((days for days in DAYS if str(days) == asked.get("days")), None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before the day in “From”.")
        return cleaned

    def period(self) -> Period | None:
        """Return the chosen period, or None if the given days are not a valid period."""
        if not self.is_valid():
            return None
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        if self.days is not None or not (since or until):
            return Period.latest(self.days or USUAL)
        # An open end is today; an open beginning the usual length.
        until = until or max(today(), since)
        return Period(since or until - timedelta(days=USUAL - 1), until)
