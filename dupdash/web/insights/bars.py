"""Bars below one another: why copies failed, and of which sources most are made."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.urls import reverse

from dupdash.duplication.text_direction import in_one_language, isolate
from dupdash.web.insights import figures
from dupdash.web.insights.chart import Chart, Legend, Row, Table, some
from dupdash.web.insights.drawing import WIDTH, Drawing
from dupdash.web.insights.period import Period
from dupdash.web.job_list.choices import NO_CODE, cause_of

BAR_ROW = 40
WORDS_LONGEST = 84
# Further causes are in the table.
BARS_MOST = 12


def causes_chart(period: Period) -> Chart:
    found = figures.causes(period)
    total = sum(cause.count for cause in found)
    rows = tuple(
        Row((cause_of(cause.code), cause.code, cause.count), _history(period, cause=cause.code or NO_CODE))
        for cause in found
    )
    return Chart(
        id="causes",
        title="Failures by cause",
        says=f"{some(total, 'copy', 'copies')} failed, of {some(len(found), 'cause', 'causes')}." if found else "",
        table=Table(("What happened", "Error code", "Copies"), rows),
        drawing=_rows([(cause_of(cause.code), cause.count, 0) for cause in found[:BARS_MOST]], "series-failed")
        if found
        else None,
    )


def sources_chart(period: Period) -> Chart:
    found = figures.busiest(period)
    return Chart(
        id="sources",
        title="Busiest sources",
        says=(f"Most copies were asked of {isolate(found[0].shortname)}: {found[0].count:,}." if found else ""),
        table=Table(
            ("Source", "Course id", "Copies", "Failed"),
            tuple(
                Row(
                    (in_one_language(source.shortname), source.id, source.count, source.failed),
                    _history(period, source=str(source.id)),
                )
                for source in found
            ),
        ),
        drawing=_rows([(isolate(source.shortname), source.count, source.failed) for source in found], "series-1")
        if found
        else None,
        legend=(Legend("series-1", "All others"), Legend("series-failed", "Failed"))
        if any(s.failed for s in found)
        else (),
    )


def _rows(bars: Sequence[tuple[str, int, int]], series: str) -> Drawing:
    """Bars below one another, each below its words: they may be long."""
    drawing = Drawing(BAR_ROW * len(bars) + 8)
    scale = (WIDTH - 64) / max(count for _, count, _ in bars)
    for number, (words, count, failed) in enumerate(bars):
        y = number * BAR_ROW + 16
        drawing.text(0, y, words if len(words) <= WORDS_LONGEST else f"{words[: WORDS_LONGEST - 1]}…", anchor="start")
        drawing.bar(0, y + 6, (count - failed) * scale, 12, series, f"{words}: {count}")
        if failed:
            drawing.bar(
                (count - failed) * scale, y + 6, failed * scale, 12, "series-failed", f"{words}: {failed} failed"
            )
        drawing.text(count * scale + 8, y + 16, f"{count:,}", anchor="start")
    return drawing


def _history(period: Period, **filters: str) -> str:
    """The very jobs that a figure counts."""
    query = {**filters, "since": period.since.isoformat(), "until": period.until.isoformat()}
    return f"{reverse('jobs:list')}?{urlencode(query)}"
