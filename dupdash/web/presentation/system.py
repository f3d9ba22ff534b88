"""Collects the content of the page *System*: checks, workers, queue, calls to Moodle, versions and last failures."""

import platform
from dataclasses import dataclass
from datetime import datetime

import django
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from dupdash import VERSION
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import COPIES, HOUSEKEEPING
from dupdash.duplication.states import State
from dupdash.operations.readiness import Check, readiness
from dupdash.telemetry.counters import MOODLE_CALLS
from dupdash.telemetry.models import Counter

CLUSTERS = {COPIES: "Copies", HOUSEKEEPING: "Housekeeping"}
LAST_FAILURES = 10


@dataclass(frozen=True)
class CheckRow:
    title: str
    check: Check

    @property
    def level(self) -> str:
        if self.check.passed:
            return "success"
        return "danger" if self.check.required else "warning"


TITLES = {"database": "Database", "broker": "Message broker", "worker": "Worker", "moodle": "Moodle"}


def checks() -> list[CheckRow]:
    return [CheckRow(TITLES[check.name], check) for check in readiness()]


@dataclass(frozen=True)
class Cluster:
    """A cluster of worker processes, with the last heartbeat of each host. Empty before the first heartbeat."""

    title: str
    heartbeats: list[tuple[str, datetime]]


def clusters() -> list[Cluster]:
    seen = worker_status.last_heartbeats()
    return [
        Cluster(title, [(host, at) for cluster, host, at in seen if cluster == name])
        for name, title in CLUSTERS.items()
    ]


@dataclass(frozen=True)
class Queue:
    slots: int
    in_use: int
    queued: int
    scheduled: int
    checking: int
    oldest: datetime | None


def queue() -> Queue:
    """Return the figures of the queue. ``queued``: jobs that may start now. ``oldest``: since when the first waits."""
    jobs = DuplicationJob.objects
    due = jobs.due()
    return Queue(
        slots=settings.MOODLE_CONCURRENCY,
        in_use=jobs.holding_slot().count(),
        queued=due.count(),
        scheduled=jobs.filter(state=State.QUEUED, not_before__gt=timezone.now()).count(),
        checking=jobs.filter(state=State.CHECKING).count(),
        oldest=due.order_by("queued_at").values_list("queued_at", flat=True).first(),
    )


@dataclass(frozen=True)
class Calls:
    """The number of calls of one web service function since the installation. ``seconds``: their mean duration."""

    function: str
    calls: int
    failed: int
    seconds: float


def moodle_calls() -> list[Calls]:
    """Return the called functions of Moodle, the most frequently called first."""
    rows = Counter.objects.filter(name=MOODLE_CALLS)
    failed = dict(rows.exclude(outcome="ok").values_list("subject").annotate(Sum("count")))
    totals = rows.values("subject").annotate(calls=Sum("count"), time=Sum("seconds")).order_by("-calls", "subject")
    return [
        Calls(row["subject"], row["calls"], failed.get(row["subject"], 0), row["time"] / max(1, row["calls"]))
        for row in totals
    ]


def versions() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version")
        (database,) = cursor.fetchone()
    return [
        ("dupdash", VERSION),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("SQLite" if connection.vendor == "sqlite" else "PostgreSQL", database),
        ("Message broker", "Redis" if settings.REDIS_URL else "the database"),
    ]


def last_failures() -> list[DuplicationJob]:
    failed = DuplicationJob.objects.filter(state=State.FAILED, finished_at__isnull=False)
    return list(failed.select_related("requester").order_by("-finished_at")[:LAST_FAILURES])
