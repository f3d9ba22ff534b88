"""Tests the metrics for Prometheus, and that the Grafana dashboard uses existing metrics."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dupdash.duplication.models import ClusterHeartbeat, DuplicationJob, MoodleHealth
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.duplication.states import State
from dupdash.operations import metrics
from dupdash.telemetry.counters import LEASES_LOST, MOODLE_CALLS, Counters, Event
from tests.web.support import a_job

TOKEN = "a-token-of-the-monitoring"
DASHBOARD = Path("deploy/grafana-dashboard.json")


@pytest.fixture(autouse=True)
def _new_collector(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.METRICS_TOKEN = TOKEN
    registry = metrics.CollectorRegistry()
    registry.register(metrics.DatabaseCollector())
    monkeypatch.setattr(metrics, "REGISTRY", registry)


def scrape() -> dict[str, Metric]:
    """Return the metrics, read with a parser of Prometheus' format."""
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.content.decode())}


def value(families: dict[str, Metric], sample_name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == sample_name and sample.labels == labels
    )
    return found


def finished(wait: int, duration: int, **more: Any) -> DuplicationJob:
    now = timezone.now()
    started = now - timedelta(seconds=duration)
    job = a_job(State.SUCCEEDED)
    times = {"queued_at": started - timedelta(seconds=wait), "started_at": started, "finished_at": now, **more}
    DuplicationJob.objects.filter(pk=job.pk).update(**times)
    return job


def test_jobs_are_counted_by_state(db: None) -> None:
    a_job(State.FAILED)
    a_job(State.QUEUED, shortname="NEW-1")
    a_job(State.QUEUED, shortname="NEW-2")
    families = scrape()
    assert value(families, "dupdash_jobs", state="queued") == 2
    assert value(families, "dupdash_jobs", state="failed") == 1
    assert value(families, "dupdash_jobs", state="running") == 0


def test_durations_fall_into_buckets(db: None) -> None:
    for seconds in (4, 20, 20, 9000):
        finished(wait=2, duration=seconds)
    families = scrape()
    assert value(families, "dupdash_copy_duration_seconds_bucket", le="5") == 1
    assert value(families, "dupdash_copy_duration_seconds_bucket", le="30") == 3
    assert value(families, "dupdash_copy_duration_seconds_bucket", le="7200") == 3
    assert value(families, "dupdash_copy_duration_seconds_count") == 4
    assert value(families, "dupdash_copy_duration_seconds_sum") == pytest.approx(9044, abs=0.1)


def test_waits_leave_out_chosen_start_times(db: None) -> None:
    finished(wait=10, duration=5)
    finished(wait=7200, duration=5, not_before=timezone.now() - timedelta(seconds=5))
    families = scrape()
    assert value(families, "dupdash_queue_wait_seconds_count") == 1
    assert value(families, "dupdash_queue_wait_seconds_bucket", le="15") == 1


def test_age_of_the_oldest_job_that_may_start_is_reported(db: None) -> None:
    now = timezone.now()
    for age, not_before in ((90, None), (5000, now + timedelta(hours=1))):
        job = a_job(State.QUEUED, shortname=f"NEW-{age}")
        times = {"queued_at": now - timedelta(seconds=age), "not_before": not_before}
        DuplicationJob.objects.filter(pk=job.pk).update(**times)
    assert value(scrape(), "dupdash_queue_oldest_job_age_seconds") == pytest.approx(90, abs=5)


def test_paused_dispatch_and_old_heartbeats_are_reported(db: None) -> None:
    MoodleHealth.current()
    MoodleHealth.objects.update(paused_at=timezone.now(), is_outage=True)
    old = timezone.now() - timedelta(seconds=100)
    ClusterHeartbeat.objects.update_or_create(worker_group=COPIES, cluster=COPIES, host="one", defaults={"at": old})
    families = scrape()
    assert value(families, "dupdash_dispatch_paused", reason="outage") == 1
    assert value(families, "dupdash_dispatch_paused", reason="configuration") == 0
    assert value(families, "dupdash_worker_running") == 0
    assert value(families, "dupdash_worker_heartbeat_age_seconds", cluster=COPIES, host="one") == pytest.approx(
        100, abs=5
    )


def test_counters_of_several_processes_add_up(db: None) -> None:
    call = Event(MOODLE_CALLS, "core_course_get_categories", "ok")
    for _ in range(2):
        process = Counters()
        process.add(call, 0.5)
        process.add(call, 0.25)
        process.add(Event(LEASES_LOST))
        process.write_if_due()
    families = scrape()
    labels = {"function": "core_course_get_categories", "outcome": "ok"}
    assert value(families, "dupdash_moodle_calls_total", **labels) == 4
    assert value(families, "dupdash_moodle_call_seconds_total", **labels) == 1.5
    assert value(families, "dupdash_leases_lost_total") == 2


def test_metrics_url_does_not_exist_without_the_setting(client: Client, db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", TOKEN], ids=["none", "empty", "wrong", "no scheme"])
def test_metrics_are_refused_without_the_token(client: Client, db: None, header: str) -> None:
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 401


def queries_of_dashboard() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def test_dashboard_queries_name_existing_metrics(db: None) -> None:
    finished(wait=1, duration=1)
    MoodleHealth.current()
    MoodleHealth.objects.update(last_response_at=timezone.now())
    ClusterHeartbeat.objects.update_or_create(worker_group=COPIES, cluster=COPIES, defaults={"at": timezone.now()})
    process = Counters()
    process.add(Event(MOODLE_CALLS, "core_course_get_categories", "ok"), 0.5)
    process.write()
    offered = {sample.name for family in scrape().values() for sample in family.samples}
    used = {name for query in queries_of_dashboard() for name in re.findall(r"dupdash_\w+", query)}
    assert used
    assert used <= offered
