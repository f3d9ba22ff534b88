"""Columns beside one another: what became of the copies, and how long they had waited."""

from collections.abc import Sequence
from datetime import date

from dupdash.web.insights import figures
from dupdash.web.insights.chart import HEIGHT, Chart, Figure, Legend, Table, lines, seconds, some, tick
from dupdash.web.insights.drawing import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Drawing, grid, steps
from dupdash.web.insights.figures import OUTCOMES, WAITS, Outcomes
from dupdash.web.insights.period import Period

SERIES = ("series-succeeded", "series-failed", "series-unresolved", "series-cancelled", "series-1")


def outcomes_chart(period: Period) -> Chart:
    found = figures.outcomes(period)
    totals = found.totals
    total = sum(totals)
    legend = tuple(
        Legend(series, outcome) for series, outcome, count in zip(SERIES, OUTCOMES, totals, strict=True) if count
    )
    parts = ", ".join(f"{count:,} {outcome.lower()}" for outcome, count in zip(OUTCOMES, totals, strict=True) if count)
    return Chart(
        id="outcomes",
        title=f"Copies a {found.unit}, by outcome",
        says=f"{some(total, 'copy was', 'copies were')} asked for: {parts}." if total else "",
        table=Table(
            ("Day" if found.unit == "day" else f"{found.unit.capitalize()} from", *OUTCOMES, "All"),
            lines([(stretch.since.isoformat(), *stretch.counts, stretch.total) for stretch in found.stretches]),
        ),
        drawing=_stacked(found) if total else None,
        legend=legend,
        note=f"Each copy counts in the {found.unit} in which it was asked for.",
        figures=_shares(totals),
    )


def _shares(totals: Sequence[int]) -> tuple[Figure, ...]:
    succeeded, failed = totals[:2]
    made = Figure(f"{sum(totals):,}", "Copies asked for")
    if not succeeded + failed:
        return (made,)
    return (made, Figure(f"{100 * succeeded / (succeeded + failed):.1f} %", "Succeeded, rather than failed"))


def _stacked(found: Outcomes) -> Drawing:
    drawing = Drawing(HEIGHT)
    bottom, high = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    marks = steps(max(stretch.total for stretch in found.stretches))
    scale = high / marks[-1]
    grid(drawing, [(bottom - mark * scale, f"{mark:,}") for mark in marks])
    slot = (WIDTH - LEFT - RIGHT) / len(found.stretches)
    # As many words below as have room.
    every = max(1, -(-len(found.stretches) // 8))
    for number, stretch in enumerate(found.stretches):
        x, y = LEFT + number * slot, float(bottom)
        when = _when(stretch.since, stretch.until, found.unit)
        for series, outcome, count in zip(SERIES, OUTCOMES, stretch.counts, strict=True):
            if count:
                y -= count * scale
                width = min(28.0, slot * 0.8)
                hint = f"{when}: {count} {outcome.lower()}"
                drawing.bar(x + (slot - width) / 2, y, width, count * scale, series, hint)
        if number % every == 0:
            drawing.text(x + slot / 2, bottom + 18, _short(stretch.since, found.unit))
    drawing.line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis")
    return drawing


def _when(since: date, until: date, unit: str) -> str:
    if unit == "day":
        return f"{since:%a %-d %b %Y}"
    return f"{since:%B %Y}" if unit == "month" else f"{since:%-d %b} to {until:%-d %b %Y}"


def _short(day: date, unit: str) -> str:
    return f"{day:%b %Y}" if unit == "month" else f"{day:%-d %b}"


def waits_chart(period: Period) -> Chart:
    found = figures.waits(period)
    counts = found.counts()
    says = ""
    if found.median is not None and found.ninetieth is not None:
        says = (
            f"Half of {some(len(found.values), 'copy', 'copies')} waited {seconds(found.median)} or less, "
            f"nine of ten {seconds(found.ninetieth)} or less; the longest {seconds(found.values[-1])}."
        )
    return Chart(
        id="waits",
        title="Waiting time in the queue",
        says=says,
        table=Table(
            ("Waited", "Copies"), lines([(words, count) for (_, words), count in zip(WAITS, counts, strict=True)])
        ),
        drawing=_columns(counts) if found.values else None,
        note="From a place in the queue to the start; without the wait for an approval or a moment asked for.",
        figures=(Figure(seconds(found.median), "Median wait in the queue"),) if found.median is not None else (),
    )


def _columns(counts: Sequence[int]) -> Drawing:
    drawing = Drawing(HEIGHT)
    bottom, high = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    marks = steps(max(counts))
    scale = high / marks[-1]
    grid(drawing, [(bottom - mark * scale, f"{mark:,}") for mark in marks])
    slot = (WIDTH - LEFT - RIGHT) / len(counts)
    for number, ((limit, words), count) in enumerate(zip(WAITS, counts, strict=True)):
        x = LEFT + number * slot
        if count:
            hint = f"{words}: {some(count, 'copy', 'copies')}"
            drawing.bar(x + slot * 0.06, bottom - count * scale, slot * 0.88, count * scale, "series-1", hint)
        if number < len(counts) - 1:
            drawing.text(x + slot, bottom + 18, _end(limit))
    drawing.line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis")
    return drawing


def _end(limit: float) -> str:
    return "1 day" if limit == 86400 else tick(limit)
