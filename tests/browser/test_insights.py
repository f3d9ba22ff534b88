"""Tests in a browser that the charts are drawn, fit into the page, and link to their copies."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.states import State
from tests.browser.support import DESKTOP, PHONE, Scheme, fits, window
from tests.web.support import a_job

pytestmark = [pytest.mark.django_db(transaction=True)]

PAINTED = """(canvas) => new Set(new Uint32Array(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 2"""


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_every_chart_is_drawn_and_fits(
    browser: Browser, live_server: LiveServer, administrator: User, width: int, scheme: Scheme
) -> None:
    _copies()
    with window(browser, live_server.url, administrator, width=width, scheme=scheme) as page:
        page.goto("/insights/")
        charts = page.locator("[data-chart] canvas")
        expect(charts).to_have_count(5)
        assert [chart.evaluate(PAINTED) for chart in charts.all()] == [True] * 5
        assert all((chart.bounding_box() or {"width": 9999})["width"] <= width for chart in charts.all())
        assert fits(page)


def test_bar_leads_to_its_copies(browser: Browser, live_server: LiveServer, administrator: User) -> None:
    _copies()
    with window(browser, live_server.url, administrator) as page:
        page.goto("/insights/?days=7")
        canvas = page.locator("#outcomes canvas")
        box = canvas.bounding_box()
        assert box is not None
        # The last of the seven columns is today. Its lowest part shows the copies that succeeded.
        canvas.click(position={"x": box["width"] - (box["width"] - 40) / 14, "y": box["height"] - 40})
        expect(page.get_by_role("heading", name="2 copies match")).to_be_visible()
        query = parse_qs(urlsplit(page.url).query)
        today = f"{timezone.localdate()}"
        assert query == {"state": ["succeeded"], "since": [today], "until": [today], "attempts": ["all"]}


def _copies() -> None:
    now = timezone.now()
    for number, state in enumerate((State.SUCCEEDED, State.SUCCEEDED, State.FAILED)):
        started = {"queued_at": now, "started_at": now, "sent_at": now}
        a_job(state, f"N{number}", source_activities=9, finished_at=now + timedelta(seconds=3), **started)
