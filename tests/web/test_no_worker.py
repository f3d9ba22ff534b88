"""Tests the notices on pages while no worker is running."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, a_job, text

pytestmark = pytest.mark.django_db

SINCE = timezone.now() - timedelta(hours=2)


@pytest.fixture(autouse=True)
def no_worker(_worker: None) -> None:
    ClusterHeartbeat.objects.update(at=SINCE)


def test_queued_job_names_the_missing_worker_and_since_when(as_faculty: Client, faculty: User) -> None:
    job = a_job(requester=faculty, dispatched_at=timezone.now())
    page = text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert "dupdash cannot start copies at the moment, because no worker is running." in page
    assert "Starts in a moment" not in page
    assert "No worker has been running since <time datetime=" in page
    assert SINCE.strftime("%-d %b %Y, %H:%M") in page
    assert "the course administrators can see this" in page
    assert "systemctl" not in page


def test_administrator_reads_how_to_start_a_worker(as_administrator: Client) -> None:
    for address in (f"/jobs/{a_job().pk}/", "/"):
        assert "systemctl start dupdash-worker" in text(as_administrator.get(address))


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING, State.UNRESOLVED])
def test_job_that_needs_a_worker_names_the_missing_one(as_administrator: Client, state: State) -> None:
    assert "No worker has been running since" in text(as_administrator.get(f"/jobs/{a_job(state).pk}/"))


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SUCCEEDED, State.FAILED])
def test_job_that_needs_no_worker_does_not_mention_it(as_administrator: Client, state: State) -> None:
    assert "No worker" not in text(as_administrator.get(f"/jobs/{a_job(state).pk}/"))


def test_overview_mentions_it_only_to_administrators(as_faculty: Client, as_help_desk: Client) -> None:
    for client in (as_faculty, as_help_desk):
        assert "No worker has been running" not in text(client.get("/"))


def test_notice_disappears_when_a_worker_runs_again(as_administrator: Client) -> None:
    job = a_job()
    url = as_administrator.get(f"/jobs/{job.pk}/").context["status_url"]
    assert as_administrator.get(url).status_code == 204
    ClusterHeartbeat.objects.update(at=timezone.now())
    polled = text(as_administrator.get(url))
    assert "Starts as soon as possible." in polled
    assert "No worker" not in polled


def test_lists_and_preview_name_the_missing_worker(as_administrator: Client, sandbox: Sandbox) -> None:
    a_job()
    assert "dupdash cannot start copies at the moment, because no worker is running." in text(
        as_administrator.get("/jobs/")
    )
    page = text(as_administrator.get("/jobs/new/preview/", {"source": BIO101, "activities": "1"}))
    assert "Later: dupdash cannot start copies at the moment, because no worker is running." in page


def test_notice_says_that_no_worker_was_ever_started(as_administrator: Client) -> None:
    ClusterHeartbeat.objects.all().delete()
    assert "No worker has been started yet" in text(as_administrator.get("/"))
