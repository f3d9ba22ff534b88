"""Tests the page *System*: checks, queue, Moodle, calls and failures, for administrators only."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.states import State
from dupdash.telemetry.counters import MOODLE_CALLS, Counters, Event
from tests.conftest import signed_in
from tests.web.support import a_job


def test_administrator_sees_what_is_wrong_and_what_to_do(as_administrator: Client) -> None:
    ClusterHeartbeat.objects.all().delete()
    page = as_administrator.get("/system/").content.decode()
    assert "No worker was started yet. Start it: systemctl start dupdash-worker" in page
    assert "SQLite" in page or "PostgreSQL" in page


def test_page_shows_the_queue_and_the_slots(as_administrator: Client, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 3
    a_job(State.RUNNING)
    a_job(State.QUEUED, shortname="NEW-2")
    queue = as_administrator.get("/system/").context["queue"]
    assert (queue["in_use"], queue["slots"], queue["queued"]) == (1, 3, 1)


def test_calls_to_moodle_are_listed_with_their_failures(as_administrator: Client) -> None:
    process = Counters()
    for outcome, seconds in (("ok", 1.0), ("ok", 2.0), ("timeout", 6.0)):
        process.add(Event(MOODLE_CALLS, "core_course_get_contents", outcome), seconds)
    process.write()
    (row,) = as_administrator.get("/system/").context["calls"]
    assert row == {"function": "core_course_get_contents", "calls": 3, "failed": 1, "mean": 3.0}


def test_last_failures_are_linked(as_administrator: Client) -> None:
    job = a_job(State.FAILED, finished_at=timezone.now())
    assert f"/jobs/{job.pk}/" in as_administrator.get("/system/").content.decode()


@pytest.mark.parametrize("person", ["faculty", "help_desk", "outsider"])
def test_only_administrators_may_open_the_page(person: str, request: pytest.FixtureRequest) -> None:
    user: User = request.getfixturevalue(person)
    assert signed_in(user).get("/system/").status_code == 403
