"""Computes the figures of the charts, as far as possible with queries that SQLite and PostgreSQL both support."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import NamedTuple

from django.db.models import Count, Max, Q

from dupdash.duplication.models import JobQuerySet
from dupdash.duplication.sql_durations import QUARTER, QuarterHour, between, waiting
from dupdash.duplication.states import State
from dupdash.web.date_fields import start_of
from dupdash.web.insights.period import BARS_MOST, Period

# The outcomes, from the bottom of a bar to its top, and which states each stands for.
OUTCOMES: dict[str, frozenset[str]] = {
    "Succeeded": frozenset({State.SUCCEEDED}),
    "Failed": frozenset({State.FAILED}),
    "Unresolved": frozenset({State.UNRESOLVED}),
    "Cancelled or refused": frozenset({State.CANCELLED, State.REJECTED}),
    "Under way": frozenset({State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING, State.CHECKING}),
}
_OUTCOME_OF = {state: outcome for outcome, states in OUTCOMES.items() for state in states}

# Upper bounds in seconds, with labels. Longer durations belong to the last one.
WAITS: tuple[tuple[float, str], ...] = (
    (1, "under 1 s"),
    (5, "1 to 5 s"),
    (15, "5 to 15 s"),
    (60, "15 s to 1 min"),
    (300, "1 to 5 min"),
    (900, "5 to 15 min"),
    (3600, "15 min to 1 h"),
    (14400, "1 to 4 h"),
    (86400, "4 h to 1 day"),
    (float("inf"), "over 1 day"),
)
SOURCES_MOST = 10


@dataclass(frozen=True)
class Stretch:
    """A bar of a chart: a day, week or month of the period. ``counts``: the jobs of each of OUTCOMES, in this order."""

    since: date
    until: date
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Outcomes:
    unit: str
    stretches: tuple[Stretch, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        return tuple(sum(stretch.counts[n] for stretch in self.stretches) for n in range(len(OUTCOMES)))


@dataclass(frozen=True)
class Distribution:
    """A distribution of durations, as sorted values in seconds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float | None:
        return self.quantile(0.5)

    @property
    def ninetieth(self) -> float | None:
        return self.quantile(0.9)

    def quantile(self, share: float) -> float | None:
        """Return the quantile: the smallest value that is at least as large as this share of the values.

        Returns None if there are no values.
        """
        return self.values[max(0, ceil(share * len(self.values)) - 1)] if self.values else None

    def counts(self) -> list[int]:
        below = [bisect_left(self.values, limit) for limit, _ in WAITS]
        return [upper - lower for lower, upper in zip([0, *below], below, strict=False)]


class Copied(NamedTuple):
    """One complete copy: the number of activities in its source, and the time from the request to the end."""

    activities: int
    seconds: float


@dataclass(frozen=True)
class Source:
    id: int
    shortname: str
    count: int
    failed: int


def outcomes(period: Period) -> Outcomes:
    """Return the numbers of jobs by outcome for each bar. A job counts on the day of its request."""
    unit, starts = _stretches(period)
    # The quarter-hour with which each bar begins. When the clocks change, a day does not have 96 of them.
    quarters = [start_of(start).timestamp() // QUARTER for start in starts]
    counted: Counter[tuple[date, str]] = Counter()
    rows = period.jobs().annotate(quarter=QuarterHour("created_at")).values_list("quarter", "state")
    for quarter, state, count in rows.annotate(Count("id")):
        counted[starts[bisect_right(quarters, quarter) - 1], _OUTCOME_OF[state]] += count
    ends = [*(start - timedelta(days=1) for start in starts[1:]), period.until]
    return Outcomes(
        unit,
        tuple(
            Stretch(start, end, tuple(counted[start, outcome] for outcome in OUTCOMES))
            for start, end in zip(starts, ends, strict=True)
        ),
    )


def _stretches(period: Period) -> tuple[str, list[date]]:
    unit = "day" if period.length <= BARS_MOST else "week" if period.length <= 7 * BARS_MOST else "month"
    days = (period.since + timedelta(days=n) for n in range(period.length))
    return unit, sorted({_start(day, unit, period) for day in days})


def _start(day: date, unit: str, period: Period) -> date:
    if unit == "week":
        day -= timedelta(days=day.weekday())
    if unit == "month":
        day = day.replace(day=1)
    return max(day, period.since)


def waits(period: Period) -> Distribution:
    """Return how long started jobs waited in the queue. Waiting for an approval or a scheduled start is left out."""
    begun = period.jobs().filter(started_at__isnull=False, queued_at__isnull=False)
    return _seconds(begun.annotate(waited=waiting()).values_list("waited", flat=True))


def durations(period: Period) -> tuple[list[Copied], int]:
    """Return the complete copies, and the number of those left out because only a later check noticed their end."""
    whole = period.jobs().filter(
        state=State.SUCCEEDED, sent_at__isnull=False, finished_at__isnull=False, source_activities__isnull=False
    )
    known = whole.filter(checking_since__isnull=True).annotate(took=between("sent_at", "finished_at"))
    rows = known.values_list("source_activities", "took")
    copied = [Copied(activities or 0, (took or 0) / 1000) for activities, took in rows]
    return copied, whole.filter(checking_since__isnull=False).count()


def causes(period: Period) -> list[tuple[str, int]]:
    """Return the error code of each cause of failure with its number of jobs, the most frequent cause first."""
    failed = period.jobs().filter(state=State.FAILED)
    return list(failed.values_list("failure_code").annotate(count=Count("id")).order_by("-count", "failure_code"))


def busiest(period: Period) -> list[Source]:
    """Return the sources with the most jobs, at most SOURCES_MOST, each with its latest short name."""
    failed = Count("id", filter=Q(state=State.FAILED))
    rows = list(
        period.jobs()
        .values_list("source_id")
        .annotate(count=Count("id"), failed=failed, last=Max("created_at"))
        .order_by("-count", "source_id")[:SOURCES_MOST]
    )
    ids = [source_id for source_id, *_ in rows]
    names = _latest_names(period.jobs().filter(source_id__in=ids))
    return [Source(source_id, names[source_id], count, failed) for source_id, count, failed, _ in rows]


def _latest_names(jobs: JobQuerySet) -> dict[int, str]:
    named = jobs.values_list("source_id", "source_shortname").annotate(last=Max("created_at")).order_by("last")
    return {source_id: shortname for source_id, shortname, _ in named}


def _seconds(milliseconds: Iterable[int | None]) -> Distribution:
    return Distribution(tuple(sorted(max(0, value) / 1000 for value in milliseconds if value is not None)))
