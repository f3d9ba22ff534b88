"""Collects the metrics for Prometheus from the database at each scrape.

All processes and hosts share the database, so every web process returns the same figures.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, Q, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dupdash import VERSION
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.queue import worker_status
from dupdash.duplication.states import State
from dupdash.telemetry.counters import LEASES_LOST, MOODLE_CALLS
from dupdash.telemetry.models import Counter

DURATION_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
"""Upper bounds in seconds: a small course takes a second, a very large one an hour."""
WAIT_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
HISTOGRAM_AGE = 60.0
"""Seconds for which a process caches its histograms, because computing them reads all finished jobs."""


class DatabaseCollector(Collector):
    """Reads every metric from the database: the histograms at most once a minute, the others at each scrape."""

    def __init__(self) -> None:
        self._histograms: list[Metric] = []
        self._read_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Return no metrics, because registering the collector must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("dupdash_build", "The version of dupdash.", {"version": VERSION})
        yield jobs_by_state()
        yield from queue_metrics(timezone.now())
        yield from moodle_metrics(timezone.now())
        yield from worker_metrics(timezone.now())
        yield from counters()
        if time.monotonic() - self._read_at > HISTOGRAM_AGE:
            self._histograms = [copy_durations(), queue_waits()]
            self._read_at = time.monotonic()
        yield from self._histograms


def jobs_by_state() -> Metric:
    metric = GaugeMetricFamily("dupdash_jobs", "Jobs by state.", labels=["state"])
    found = dict(DuplicationJob.objects.order_by().values_list("state").annotate(Count("pk")))
    for state in State:
        metric.add_metric([state.value], found.get(state.value, 0))
    return metric


def queue_metrics(now: datetime) -> Iterator[Metric]:
    oldest = DuplicationJob.objects.due().aggregate(oldest=Min("queued_at"))["oldest"]
    age = GaugeMetricFamily(
        "dupdash_queue_oldest_job_age_seconds", "Waiting time of the oldest queued job that may start now."
    )
    age.add_metric([], _seconds_since(oldest, now))
    yield age
    slots = GaugeMetricFamily("dupdash_slots", "How many copies Moodle may make at the same time.")
    slots.add_metric([], settings.MOODLE_CONCURRENCY)
    yield slots


def moodle_metrics(now: datetime) -> Iterator[Metric]:
    health = MoodleHealth.last_known()
    paused = GaugeMetricFamily(
        "dupdash_dispatch_paused", "1 while no job is sent because Moodle cannot be used.", labels=["reason"]
    )
    paused.add_metric(["outage"], int(health.paused_at is not None and health.is_outage))
    paused.add_metric(["configuration"], int(health.paused_at is not None and not health.is_outage))
    yield paused
    if health.last_response_at is not None:
        last = GaugeMetricFamily(
            "dupdash_moodle_last_response_timestamp_seconds", "When Moodle last returned its site info, as Unix time."
        )
        last.add_metric([], health.last_response_at.timestamp())
        yield last


def worker_metrics(now: datetime) -> Iterator[Metric]:
    running = GaugeMetricFamily("dupdash_worker_running", "1 while a worker is running.")
    running.add_metric([], int(worker_status.current().running))
    yield running
    age = GaugeMetricFamily(
        "dupdash_worker_heartbeat_age_seconds",
        "Seconds since the last heartbeat of a cluster on a host.",
        labels=["cluster", "host"],
    )
    for cluster, host, at in worker_status.last_heartbeats():
        age.add_metric([cluster, host], _seconds_since(at, now))
    yield age


def counters() -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "dupdash_moodle_calls", "Calls to Moodle by web service function and outcome.", labels=["function", "outcome"]
    )
    seconds = CounterMetricFamily(
        "dupdash_moodle_call_seconds",
        "Seconds that calls to Moodle took in total, by web service function and outcome.",
        labels=["function", "outcome"],
    )
    for row in Counter.objects.filter(name=MOODLE_CALLS):
        calls.add_metric([row.subject, row.outcome], row.count)
        seconds.add_metric([row.subject, row.outcome], row.seconds)
    yield calls
    yield seconds
    lost = CounterMetricFamily("dupdash_leases_lost", "Jobs whose worker failed, or was stopped during the job.")
    lost.add_metric([], Counter.objects.filter(name=LEASES_LOST).aggregate(all=Sum("count"))["all"] or 0)
    yield lost


def copy_durations() -> Metric:
    """Return the histogram of the time from the start to the end of jobs that succeeded."""
    jobs = DuplicationJob.objects.filter(state=State.SUCCEEDED, started_at__isnull=False)
    return _histogram(
        "dupdash_copy_duration_seconds", "Duration of successful copies.", jobs, "started_at", "finished_at",
        DURATION_BUCKETS,
    )  # fmt: skip


def queue_waits() -> Metric:
    """Return the histogram of the time that jobs waited in the queue. Jobs with a start time are left out."""
    jobs = DuplicationJob.objects.filter(queued_at__isnull=False, started_at__gte=F("queued_at"), not_before=None)
    return _histogram(
        "dupdash_queue_wait_seconds", "How long jobs without a start time waited in the queue.", jobs, "queued_at",
        "started_at", WAIT_BUCKETS,
    )  # fmt: skip


def _histogram(
    name: str, documentation: str, jobs: JobQuerySet, start: str, end: str, bounds: tuple[int, ...]
) -> Metric:
    """Return the histogram of the time from column ``start`` to column ``end``.

    One query counts, for each bound in seconds, the jobs that took no longer.
    """
    length = ExpressionWrapper(F(end) - F(start), output_field=DurationField())
    numbers = {
        f"within_{bound}": Count("pk", filter=Q(**{f"{end}__lte": F(start) + timedelta(seconds=bound)}))
        for bound in bounds
    }
    row = jobs.order_by().aggregate(all=Count("pk"), total=Sum(length), **numbers)
    total = row["total"].total_seconds() if row["total"] is not None else 0.0
    metric = HistogramMetricFamily(name, documentation)
    buckets = [(str(bound), row[f"within_{bound}"]) for bound in bounds]
    metric.add_metric([], [*buckets, ("+Inf", row["all"])], sum_value=total)
    return metric


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0


REGISTRY = CollectorRegistry()
REGISTRY.register(DatabaseCollector())


def exposition() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return generate_latest(REGISTRY)
