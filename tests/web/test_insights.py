"""Tests the charts of the page *Insights*: figures calculated by hand, and permissions."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.states import State
from dupdash.web.date_fields import start_of
from dupdash.web.insights import figures
from dupdash.web.insights.charts import CHARTS, seconds
from dupdash.web.insights.figures import Copied, Distribution
from dupdash.web.insights.period import Period
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
WEEK = Period(date(2026, 3, 24), date(2026, 3, 30))


def at(hours: float) -> dict[str, Any]:
    """Return the time this many hours before noon of the last day."""
    moment = NOON - timedelta(hours=hours)
    return {"created_at": moment, "queued_at": moment}


def began(waited: float, took: float | None = None, **columns: Any) -> dict[str, Any]:
    """Return the columns of a job that waited and then took this many seconds."""
    begun = NOON + timedelta(seconds=waited)
    ended = begun + timedelta(seconds=took) if took is not None else None
    given = {"created_at": NOON, "queued_at": NOON, "started_at": begun, "sent_at": begun, "finished_at": ended}
    return {**given, "source_activities": 10, **columns}


def test_insights_open_to_those_who_see_all_copies(
    as_administrator: Client, as_help_desk: Client, as_faculty: Client, as_outsider: Client, client: Client
) -> None:
    for address in ("/insights/", "/insights/outcomes.csv"):
        assert as_administrator.get(address).status_code == 200
        assert as_help_desk.get(address).status_code == 200
        assert as_faculty.get(address).status_code == 403
        assert as_outsider.get(address).status_code == 403
        assert client.get(address).status_code == 302
    assert "/insights/" not in text(as_faculty.get("/"))
    assert 'href="/insights/"' in text(as_help_desk.get("/"))


def test_each_outcome_counts_on_its_day() -> None:
    for number, (state, hours) in enumerate(
        [
            (State.SUCCEEDED, 0), (State.SUCCEEDED, 1), (State.FAILED, 2), (State.RUNNING, 3), (State.QUEUED, 3),
            (State.CANCELLED, 24), (State.REJECTED, 25), (State.UNRESOLVED, 24 * 6), (State.CHECKING, 24 * 6),
            # Jobs of the days before and after the period do not count.
            (State.SUCCEEDED, 24 * 7), (State.SUCCEEDED, -12),
        ]
    ):  # fmt: skip
        a_job(state, f"N{number}", **at(hours))
    found = figures.outcomes(WEEK)
    assert found.unit == "day"
    assert [stretch.since for stretch in found.stretches] == [date(2026, 3, day) for day in range(24, 31)]
    #                 succeeded, failed, unresolved, cancelled or refused, unfinished
    assert found.stretches[0].counts == (0, 0, 1, 0, 1)
    assert found.stretches[5].counts == (0, 0, 0, 2, 0)
    assert found.stretches[6].counts == (2, 1, 0, 0, 2)
    assert found.totals == (2, 1, 1, 2, 3)
    assert all(stretch.total == 0 for stretch in found.stretches[1:5])


def test_days_begin_at_midnight_even_when_clocks_change(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    # 29 March 2026 has 23 hours: it lasts from 23:00 UTC of the day before to 22:00 UTC.
    for name, moment in {
        "SATURDAY": datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC),
        "SUNDAY-1": datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
        "SUNDAY-2": datetime(2026, 3, 29, 21, 59, 59, 999999, tzinfo=UTC),
        "MONDAY": datetime(2026, 3, 29, 22, 0, tzinfo=UTC),
        # This already belongs to Tuesday.
        "OUTSIDE": datetime(2026, 3, 30, 22, 0, tzinfo=UTC),
    }.items():
        a_job(State.SUCCEEDED, name, created_at=moment)
    found = figures.outcomes(Period(date(2026, 3, 28), date(2026, 3, 30)))
    assert [stretch.total for stretch in found.stretches] == [1, 2, 1]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Kiritimati"])
def test_days_begin_at_local_midnight_in_unusual_time_zones(settings: Any, zone: str) -> None:
    settings.TIME_ZONE = zone
    midnight = start_of(date(2026, 3, 29))
    a_job(State.SUCCEEDED, "BEFORE", created_at=midnight - timedelta(microseconds=1))
    a_job(State.SUCCEEDED, "AFTER", created_at=midnight)
    found = figures.outcomes(Period(date(2026, 3, 28), date(2026, 3, 29)))
    assert [stretch.total for stretch in found.stretches] == [1, 1]


def test_long_periods_are_grouped_by_week_or_month() -> None:
    a_job(State.SUCCEEDED, "A", created_at=datetime(2026, 1, 4, tzinfo=UTC))
    a_job(State.SUCCEEDED, "B", created_at=datetime(2026, 1, 5, tzinfo=UTC))
    weeks = figures.outcomes(Period(date(2026, 1, 1), date(2026, 6, 30)))
    assert weeks.unit == "week"
    # The first week begins on a Thursday, the others on Monday, and the last one ends with the period.
    first, second = weeks.stretches[:2]
    assert (first.since, first.until, first.total) == (date(2026, 1, 1), date(2026, 1, 4), 1)
    assert (second.since, second.until, second.total) == (date(2026, 1, 5), date(2026, 1, 11), 1)
    assert weeks.stretches[-1].until == date(2026, 6, 30)
    months = figures.outcomes(Period(date(2024, 1, 15), date(2026, 6, 30)))
    assert months.unit == "month"
    assert [stretch.since for stretch in months.stretches[:2]] == [date(2024, 1, 15), date(2024, 2, 1)]
    assert len(months.stretches) == 30
    assert months.stretches[24].total == 2


def test_waiting_times_match_hand_calculation() -> None:
    waited = [0.25, 2, 3, 4, 10, 20, 50, 70, 400, 90000]
    for number, length in enumerate(waited):
        a_job(State.SUCCEEDED, f"N{number}", **began(length, 1))
    # Jobs that have not started and jobs of another day do not count.
    a_job(State.QUEUED, "Q", **at(0))
    a_job(State.SUCCEEDED, "OLD", **began(5, 1, created_at=NOON - timedelta(days=30)))
    found = figures.waits(WEEK)
    assert found.values == tuple(waited)
    assert (found.median, found.ninetieth) == (10, 400)
    #                      1 s 5 s 15 s 1 min 5 min 15 min 1 h 4 h 1 day longer
    assert found.counts() == [1, 3, 1, 2, 1, 1, 0, 0, 0, 1]


def test_waiting_begins_at_the_scheduled_time() -> None:
    # The hours until the approval do not count as waiting in the queue.
    a_job(State.SUCCEEDED, "APPROVED", **began(50, 1, created_at=NOON - timedelta(hours=9)))
    a_job(State.SUCCEEDED, "LATER", **began(3600, 1, not_before=NOON + timedelta(seconds=3590)))
    # An automatic retry set this time after the first start, so the wait before the first start does not depend on it.
    a_job(State.SUCCEEDED, "AGAIN", **began(30, 1, retry_at=NOON + timedelta(seconds=600)))
    a_job(State.SUCCEEDED, "PAST", **began(40, 1, not_before=NOON - timedelta(seconds=600)))
    assert figures.waits(WEEK).values == (10, 30, 40, 50)


def test_durations_match_hand_calculation() -> None:
    a_job(State.SUCCEEDED, "A", **began(5, 12.345, source_activities=64))
    a_job(State.SUCCEEDED, "B", **began(5, 3, source_activities=0))
    a_job(State.SUCCEEDED, "LOOKED-UP", **began(5, 3, checking_since=NOON))
    a_job(State.SUCCEEDED, "UNKNOWN", **began(5, 3, source_activities=None))
    a_job(State.FAILED, "F", **began(5, 3))
    copied, left_out = figures.durations(WEEK)
    assert sorted(copied) == [Copied(0, 3.0), Copied(64, 12.345)]
    assert left_out == 1


def test_failures_are_counted_by_cause_and_source() -> None:
    for number, code in enumerate(("shortnametaken", "shortnametaken", "", "partial_course")):
        a_job(State.FAILED, f"F{number}", failure_code=code, source_id=1, source_shortname="OLD", **at(5))
    a_job(State.SUCCEEDED, "S1", source_id=1, source_shortname="NEW", **at(1))
    a_job(State.SUCCEEDED, "S2", source_id=2, source_shortname="TWO", failure_code="shortnametaken", **at(1))
    assert figures.causes(WEEK) == [
        ("shortnametaken", 2),
        ("", 1),
        ("partial_course", 1),
    ]
    assert [(s.id, s.shortname, s.count, s.failed) for s in figures.busiest(WEEK)] == [
        (1, "NEW", 5, 4),
        (2, "TWO", 1, 0),
    ]


def test_ten_busiest_sources_are_listed() -> None:
    for source in range(1, 13):
        for number in range(source):
            a_job(State.SUCCEEDED, f"S{source}-{number}", source_id=source, **at(1))
    assert [source.id for source in figures.busiest(WEEK)] == list(range(12, 2, -1))


@pytest.mark.parametrize(
    ("values", "median", "ninetieth"),
    [((), None, None), ((7,), 7, 7), ((1, 2), 1, 2), ((1, 2, 3), 2, 3), (tuple(range(1, 11)), 5, 9)],
)
def test_quantiles_are_measured_values(values: tuple[float, ...], median: Any, ninetieth: Any) -> None:
    spread = Distribution(values)
    assert (spread.median, spread.ninetieth) == (median, ninetieth)


@time_machine.travel(NOON, tick=False)
def test_the_wait_of_one_copy_is_said_without_shares(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, "A", **began(5, 12))
    page = text(as_administrator.get("/insights/?days=7"))
    assert "The copy waited 5.0 s." in page
    assert "nine of ten 5.0 s" not in page


@time_machine.travel(NOON, tick=False)
def test_each_chart_has_a_title_a_sentence_and_a_table(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, "A", **began(5, 12, source_activities=64))
    a_job(State.FAILED, "B", failure_code="shortnametaken", **began(9, 3))
    page = text(as_administrator.get("/insights/?days=7"))
    assert page.count("<canvas") == page.count("<table>") == len(CHARTS) == 5
    assert "2 copies were requested: 1 succeeded, 1 failed." in page
    assert "Of 2 copies, half waited 5.0 s or less and nine of ten 9.0 s or less. The longest wait was 9.0 s." in page
    assert "Half of 1 copy took 12 s or less." in page
    assert '<td class="numbers" data-number="12.0">12 s</td>' in page
    assert "Another course has the short name now" in page
    # The first row of the table is today.
    assert page.index("Mon 30 Mar 2026") < page.index("Sun 29 Mar 2026")
    assert "style=" not in page
    assert '<a href="/insights/?days=7" aria-current="page">' in page


@time_machine.travel(NOON, tick=False)
def test_numbers_lead_to_the_copies_that_they_count(as_administrator: Client) -> None:
    for number, code in enumerate(("shortnametaken", "shortnametaken", "", "odd")):
        a_job(State.FAILED, f"F{number}", failure_code=code, source_id=12, **at(number))
    a_job(State.FAILED, "OLD", failure_code="shortnametaken", source_id=12, created_at=NOON - timedelta(days=90))
    a_job(State.FAILED, "OTHER", source_id=99, source_shortname="X12", failure_code="unreachable", **at(1))
    for number, state in enumerate((State.QUEUED, State.CANCELLED, State.REJECTED, State.UNRESOLVED)):
        a_job(state, f"S{number}", source_id=5, **at(30))
    charts = {chart.id: chart for chart in as_administrator.get("/insights/").context["charts"]}

    def listed(url: str) -> int:
        assert set(parse_qs(urlsplit(url).query)) >= {"since", "until"}
        return len(as_administrator.get(url).context["rows"])

    for name in ("causes", "sources"):
        for label, *_, count in charts[name].rows:
            assert listed(label.url) == count.shown, label
    linked = [value for row in charts["outcomes"].rows for value in row[1:] if value.url]
    assert [(value.shown, listed(value.url)) for value in linked] == [(5, 5), (1, 1), (2, 2), (1, 1)]


@time_machine.travel(NOON, tick=False)
def test_period_without_copies_says_that_there_are_none(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, created_at=NOON - timedelta(days=40))
    page = text(as_administrator.get("/insights/"))
    assert "No copies in this period" in page
    assert "<canvas" not in page
    a_job(State.QUEUED, "Q", **at(0))
    page = text(as_administrator.get("/insights/"))
    assert "No copy of this period failed." in page
    assert "This period has no data for this chart." in page


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize(
    ("query", "words", "since", "until"),
    [
        ("", "The last 30 days", date(2026, 3, 1), date(2026, 3, 30)),
        ("days=7", "The last 7 days", date(2026, 3, 24), date(2026, 3, 30)),
        ("days=8", "The last 30 days", date(2026, 3, 1), date(2026, 3, 30)),
        ("since=2026-02-01&until=2026-02-03", "1 February 2026 to 3 February 2026", date(2026, 2, 1), date(2026, 2, 3)),
        ("since=2026-03-30", "30 March 2026", date(2026, 3, 30), date(2026, 3, 30)),
        ("until=2026-01-30", "1 January 2026 to 30 January 2026", date(2026, 1, 1), date(2026, 1, 30)),
        ("since=2027-01-01", "1 January 2027", date(2027, 1, 1), date(2027, 1, 1)),
    ],
)
def test_period_is_read_from_the_url(
    as_administrator: Client, query: str, words: str, since: date, until: date
) -> None:
    answer = as_administrator.get(f"/insights/?{query}")
    period = answer.context["period"]
    assert (period.since, period.until, period.words) == (since, until, words)
    assert words in text(answer)


@pytest.mark.parametrize("query", ["since=x", "since=2026-02-02&until=2026-02-01", "until=1999-12-31"])
def test_day_with_an_error_is_named(as_administrator: Client, query: str) -> None:
    answer = as_administrator.get(f"/insights/?{query}")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in text(answer)
    assert as_administrator.get(f"/insights/outcomes.csv?{query}").status_code == 404


def test_odd_names_and_extreme_values_are_drawn(as_administrator: Client, faculty: User) -> None:
    a_job(State.SUCCEEDED, "ZERO", **began(0, 0, source_activities=0))
    a_job(State.FAILED, "X", failure_code="<script>", source_shortname="<b>&" * 60, **began(0, 3_000_000))
    a_job(State.SUCCEEDED, "HUGE", **began(1e6, 3_000_000, source_activities=200_000))
    answer = as_administrator.get("/insights/?since=2000-01-01&until=2100-12-31")
    assert answer.status_code == 200
    page = text(answer)
    assert "<script>" not in page.replace('<script type="module"', "").replace("<script src", "")
    assert "<b>&" not in page
    assert "nan" not in page.lower().replace("financ", "")


@pytest.mark.parametrize(("length", "words"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (48.9, "48 s"), (252, "4 min 12 s")])
def test_durations_are_written_with_their_precision(length: float, words: str) -> None:
    assert seconds(length) == words
