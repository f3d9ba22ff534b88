"""Builds the charts of the page "Insights". Each is a table with a summary, from which ``static/js/insights.js`` draws.

The table and the CSV file also contain the numbers that are not drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from django.urls import reverse

from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.states import State
from dupdash.web.csv_files import Cell
from dupdash.web.insights import figures
from dupdash.web.insights.figures import OUTCOMES, WAITS, Copied, Distribution
from dupdash.web.insights.period import Period
from dupdash.web.job_list.choices import NO_CODE, cause_of
from dupdash.web.job_list.filters import ALL_ATTEMPTS
from dupdash.web.job_list.state_groups import STOPPED, UNDER_WAY
from dupdash.web.presentation.components import Figure
from dupdash.web.presentation.durations import exactly

# The maximum number of activities in each group of sources.
SIZES: tuple[float, ...] = (10, 30, 100, 300, 1000, float("inf"))
# The colour of each outcome (components.css), and the filter that lists its copies.
OUTCOME_SERIES = ("succeeded", "failed", "unresolved", "cancelled", "1")
OUTCOME_STATES = (State.SUCCEEDED, State.FAILED, State.UNRESOLVED, STOPPED, UNDER_WAY)


@dataclass(frozen=True)
class Column:
    label: str
    # A column with a series is drawn, in its colour.
    series: str = ""


@dataclass(frozen=True)
class Value:
    """A cell of the table: its text, the number to draw if it differs from the text, and the URL of its copies."""

    shown: Cell
    number: float | None = None
    url: str = ""


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    # A summary in words, for people who do not see the chart, too. It is empty if there is nothing to draw.
    says: str
    # How it is drawn: columns, stacked, durations (columns on a logarithmic scale of seconds) or bars.
    kind: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    # A note for the reader.
    note: str = ""
    figures: tuple[Figure, ...] = ()
    # The table for the CSV file, if it has more rows than the page.
    file: tuple[tuple[str, ...], Sequence[Sequence[Cell]]] | None = None

    def downloaded(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        table = [column.label for column in self.columns], [[cell.shown for cell in row] for row in self.rows]
        return self.file or table


def outcomes_chart(period: Period) -> Chart:
    found = figures.outcomes(period)
    totals = found.totals
    parts = ", ".join(f"{count:,} {outcome.lower()}" for outcome, count in zip(OUTCOMES, totals, strict=True) if count)
    rows = []
    for stretch in found.stretches:
        days = {"since": stretch.since.isoformat(), "until": stretch.until.isoformat()}
        label = Value(_when(stretch.since, stretch.until, found.unit), url=_copies(days))
        outcomes = (
            Value(count, url=_copies(days, state=state) if count else "")
            for state, count in zip(OUTCOME_STATES, stretch.counts, strict=True)
        )
        rows.append((label, *outcomes, Value(stretch.total)))
    outcomes_drawn = zip(OUTCOMES, OUTCOME_SERIES, totals, strict=True)
    return Chart(
        "outcomes",
        f"Copies per {found.unit}, by outcome",
        f"{_number(sum(totals), 'copy was', 'copies were')} requested: {parts}." if sum(totals) else "",
        "stacked",
        (
            Column(found.unit.capitalize()),
            *(Column(outcome, series if total else "") for outcome, series, total in outcomes_drawn),
            Column("All"),
        ),
        # The table begins today; the chart ends there.
        tuple(reversed(rows)),
        f"Each copy counts in the {found.unit} in which it was requested.",
        _shares(totals),
        (
            ("Day" if found.unit == "day" else f"{found.unit.capitalize()} from", *OUTCOMES, "All"),
            [(stretch.since.isoformat(), *stretch.counts, stretch.total) for stretch in found.stretches],
        ),
    )


def _shares(totals: Sequence[int]) -> tuple[Figure, ...]:
    succeeded, failed = totals[:2]
    requested = Figure(f"{sum(totals):,}", "Copies requested")
    if not succeeded + failed:
        return (requested,)
    return (requested, Figure(f"{100 * succeeded / (succeeded + failed):.1f} %", "Success rate"))


def durations_chart(period: Period) -> Chart:
    copied, left_out = figures.durations(period)
    copied.sort()
    median = _spread(copied).median
    note = "From the request to Moodle to the complete copy."
    if left_out:
        note += f" Left out: {_number(left_out, 'copy', 'copies')} whose end dupdash noticed later."
    return Chart(
        "durations",
        "Duration by number of activities",
        f"Half of {_number(len(copied), 'copy', 'copies')} took {seconds(median)} or less." if median else "",
        "durations",
        (
            Column("Activities in the source"),
            Column("Copies"),
            Column("Half took at most", "1"),
            Column("Nine of ten", "2"),
            Column("Longest", "6"),
        ),
        tuple(_by_size(copied)),
        note,
        (Figure(seconds(median), "Median duration"),) if median else (),
        (("Activities in the source", "Seconds"), copied),
    )


def _by_size(copied: Sequence[Copied]) -> list[tuple[Value, ...]]:
    rows = []
    least = 0
    for most in SIZES:
        spread = _spread([copy for copy in copied if least <= copy.activities <= most])
        if spread.median is not None and spread.ninetieth is not None:
            size = f"{least:,} to {most:,}" if most < SIZES[-1] else f"{least:,} and more"
            lengths = (spread.median, spread.ninetieth, spread.values[-1])
            values = (Value(seconds(length), max(0.1, length)) for length in lengths)
            rows.append((Value(size), Value(len(spread.values)), *values))
        least = int(most) + 1 if most < SIZES[-1] else least
    return rows


def _spread(copied: Sequence[Copied]) -> Distribution:
    return Distribution(tuple(sorted(copy.seconds for copy in copied)))


def waits_chart(period: Period) -> Chart:
    found = figures.waits(period)
    says = ""
    if found.median is not None and found.ninetieth is not None:
        longest = seconds(found.values[-1])
        says = (
            f"Of {_number(len(found.values), 'copy', 'copies')}, half waited {seconds(found.median)} or less and nine "
            f"of ten {seconds(found.ninetieth)} or less. The longest wait was {longest}."
            if len(found.values) > 1
            else f"The copy waited {longest}."
        )
    return Chart(
        "waits",
        "Waiting time in the queue",
        says,
        "columns",
        (Column("Waited"), Column("Copies", "1")),
        tuple((Value(label), Value(count)) for (_, label), count in zip(WAITS, found.counts(), strict=True)),
        "From joining the queue to the start, without the wait for an approval or for a scheduled time.",
        (Figure(seconds(found.median), "Median wait in the queue"),) if found.median is not None else (),
    )


def causes_chart(period: Period) -> Chart:
    found = figures.causes(period)
    total = sum(count for _, count in found)
    rows = tuple(
        (Value(cause_of(code), url=_copies(_days(period), cause=code or NO_CODE)), Value(code), Value(count))
        for code, count in found
    )
    causes = _number(len(found), "cause", "causes")
    return Chart(
        "causes",
        "Failures by cause",
        f"{_number(total, 'copy', 'copies')} failed, from {causes}." if found else "",
        "bars",
        (Column("Cause"), Column("Error code"), Column("Copies", "failed")),
        rows,
    )


def sources_chart(period: Period) -> Chart:
    found = figures.busiest(period)
    rows = tuple(
        (
            Value(in_one_language(source.shortname), url=_copies(_days(period), source=str(source.id))),
            Value(source.id),
            Value(source.count - source.failed),
            Value(source.failed),
            Value(source.count),
        )
        for source in found
    )
    says = ""
    if found:
        requests = _number(found[0].count, "request", "requests")
        says = f"The most frequently copied course is {isolate(found[0].shortname)}, with {requests}."
    return Chart(
        "sources",
        "Busiest sources",
        says,
        "bars",
        (
            Column("Source"),
            Column("Course id"),
            Column("Not failed", "1"),
            Column("Failed", "failed" if any(source.failed for source in found) else ""),
            Column("Copies"),
        ),
        rows,
    )


CHARTS: dict[str, Callable[[Period], Chart]] = {
    "outcomes": outcomes_chart,
    "durations": durations_chart,
    "waits": waits_chart,
    "causes": causes_chart,
    "sources": sources_chart,
}


def seconds(value: float) -> str:
    """Return a duration in words, such as "0.4 s", "48 s" or "4 min 12 s"."""
    return f"{value:.1f} s" if value < 10 else exactly(timedelta(seconds=value))


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _when(since: date, until: date, unit: str) -> str:
    if unit == "day":
        return f"{since:%a %-d %b %Y}"
    return f"{since:%B %Y}" if unit == "month" else f"{since:%-d %b} to {until:%-d %b %Y}"


def _days(period: Period) -> dict[str, str]:
    return {"since": period.since.isoformat(), "until": period.until.isoformat()}


def _copies(days: dict[str, str], **filters: str) -> str:
    """Return the URL of the list of copies, filtered to the copies behind one number of a chart.

    ``days``: the parameters for the days. ``filters``: the other parameters.
    """
    query = urlencode({**filters, **days, "attempts": ALL_ATTEMPTS})
    return f"{reverse('jobs:list')}?{query}"
