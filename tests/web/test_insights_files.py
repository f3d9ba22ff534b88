"""Tests the CSV files with the figures of the charts."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dupdash.duplication.states import State
from tests.web.support import a_job

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
DAY = "since=2026-03-30&until=2026-03-30"


@pytest.fixture(autouse=True)
def _copies(db: None) -> None:
    begun: dict[str, Any] = {"created_at": NOON, "queued_at": NOON, "started_at": NOON, "sent_at": NOON}
    a_job(State.SUCCEEDED, "A", finished_at=NOON + timedelta(seconds=1.5), source_activities=3, **begun)
    a_job(State.FAILED, "B", failure_code="=1+1", source_id=5, source_shortname="=cmd", finished_at=NOON, **begun)


def table(client: Client, plot: str) -> list[list[str]]:
    answer = client.get(f"/insights/{plot}.csv?{DAY}")
    assert answer["Content-Disposition"] == f'attachment; filename="{plot}-2026-03-30-to-2026-03-30.csv"'
    return list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_csv_holds_the_figures_of_each_chart(as_help_desk: Client) -> None:
    assert table(as_help_desk, "outcomes") == [
        ["Day", "Succeeded", "Failed", "Unresolved", "Cancelled or refused", "Under way", "All"],
        ["2026-03-30", "1", "1", "0", "0", "0", "2"],
    ]
    assert table(as_help_desk, "durations") == [["Activities in the source", "Seconds"], ["3", "1.5"]]
    assert table(as_help_desk, "waits")[:3] == [["Waited", "Copies"], ["under 1 s", "2"], ["1 to 5 s", "0"]]
    assert table(as_help_desk, "causes")[1] == ["Moodle stopped with an error (=1+1)", "'=1+1", "1"]
    assert ["'=cmd", "5", "0", "1", "1"] in table(as_help_desk, "sources")


@pytest.mark.parametrize(
    "address", ["/insights/nothing.csv", "/insights/outcomes.csv?since=x", "/insights/outcomes.svg"]
)
def test_unknown_file_is_not_found(as_help_desk: Client, address: str) -> None:
    assert as_help_desk.get(address).status_code == 404
