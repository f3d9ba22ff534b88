"""Shows the page "Insights" with charts about the copies of a period, and exports their figures as CSV."""

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from dupdash.web.csv_files import csv_response
from dupdash.web.insights.charts import CHARTS
from dupdash.web.insights.period import DAYS, Period, PeriodForm
from dupdash.web.presentation.components import Tab
from dupdash.web.responses import PersonRequest


@require_safe
def insights(request: PersonRequest) -> HttpResponse:
    form = PeriodForm(request.GET)
    period = form.period()
    context: dict[str, object] = {"form": form, "period": period, "tabs": _tabs(period)}
    if period is not None:
        charts = [make(period) for make in CHARTS.values()]
        context |= {
            "charts": charts,
            "figures": [figure for chart in charts for figure in chart.figures],
            "empty": not charts[0].says,
            "query": urlencode(period.query()),
        }
    return render(request, "insights/insights.html", context, status=200 if period else 422)


@require_safe
def insights_csv(request: PersonRequest, chart_id: str) -> HttpResponseBase:
    period = PeriodForm(request.GET).period()
    if period is None or chart_id not in CHARTS:
        raise Http404
    name = f"{chart_id}-{period.since}-to-{period.until}"
    return csv_response(name, *CHARTS[chart_id](period).downloaded())


def _tabs(period: Period | None) -> list[Tab]:
    path = reverse("insights")
    return [Tab(f"{days} days", f"{path}?days={days}", period is not None and period.days == days) for days in DAYS]
