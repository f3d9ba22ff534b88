"""The plots of the page, in their order."""

from collections.abc import Callable

from dupdash.web.insights.bars import causes_chart, sources_chart
from dupdash.web.insights.chart import Chart
from dupdash.web.insights.columns import outcomes_chart, waits_chart
from dupdash.web.insights.period import Period
from dupdash.web.insights.scatter import durations_chart

CHARTS: dict[str, Callable[[Period], Chart]] = {
    "outcomes": outcomes_chart,
    "durations": durations_chart,
    "waits": waits_chart,
    "causes": causes_chart,
    "sources": sources_chart,
}
