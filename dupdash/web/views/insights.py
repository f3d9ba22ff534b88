"""What the copies of a period say together: plots, drawn here, and their figures to take away."""

from dataclasses import dataclass

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from dupdash.web.csv_files import csv_response
from dupdash.web.decorators import permission_required
from dupdash.web.insights.chart import Chart
from dupdash.web.insights.charts import CHARTS
from dupdash.web.insights.period import DAYS, Period, PeriodForm
from dupdash.web.insights.style import style
from dupdash.web.responses import PersonRequest, no_store


@dataclass(frozen=True)
class Tab:
    label: str
    url: str
    current: bool
    count: None = None


@dataclass(frozen=True)
class Plot:
    chart: Chart
    svg: SafeString
    csv_url: str
    svg_url: str


@permission_required
@require_safe
def insights(request: PersonRequest) -> HttpResponse:
    form = PeriodForm(request.GET)
    period = form.period()
    context: dict[str, object] = {"form": form, "period": period, "tabs": _tabs(period)}
    if period is not None:
        charts = [make(period) for make in CHARTS.values()]
        context |= {
            "plots": [_plot(chart, period) for chart in charts],
            "figures": [figure for chart in charts for figure in chart.figures],
            "empty": charts[0].drawing is None,
        }
    return render(request, "insights/insights.html", context, status=200 if period else 422)


@permission_required
@require_safe
def insights_csv(request: PersonRequest, plot: str) -> HttpResponseBase:
    chart, period = _asked(request, plot)
    return csv_response(_name(chart, period), *chart.downloaded())


@permission_required
@require_safe
def insights_svg(request: PersonRequest, plot: str) -> HttpResponse:
    """The drawing as a file of its own, its colours in it."""
    chart, period = _asked(request, plot)
    if chart.drawing is None:
        raise Http404
    response = HttpResponse(chart.drawing.svg(_title(chart, period), chart.says, style()), content_type="image/svg+xml")
    response["Content-Disposition"] = f'attachment; filename="{_name(chart, period)}.svg"'
    return no_store(response)


def _asked(request: PersonRequest, plot: str) -> tuple[Chart, Period]:
    period = PeriodForm(request.GET).period()
    if period is None or plot not in CHARTS:
        raise Http404
    return CHARTS[plot](period), period


def _plot(chart: Chart, period: Period) -> Plot:
    query = urlencode(period.query())
    return Plot(
        chart,
        chart.drawing.svg(_title(chart, period), chart.says) if chart.drawing else SafeString(""),
        f"{reverse('insights_csv', args=[chart.id])}?{query}",
        f"{reverse('insights_svg', args=[chart.id])}?{query}",
    )


def _title(chart: Chart, period: Period) -> str:
    return f"{chart.title}: {period.words}"


def _name(chart: Chart, period: Period) -> str:
    return f"{chart.id}-{period.since}-to-{period.until}"


def _tabs(period: Period | None) -> list[Tab]:
    path = reverse("insights")
    return [Tab(f"{days} days", f"{path}?days={days}", period is not None and period.days == days) for days in DAYS]
