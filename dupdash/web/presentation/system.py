"""Collects the content of the page *System*: checks, workers, queue, calls to Moodle, versions and last failures."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import django
from django.conf import settings
from django.db import connection
from django.db.models import F, Q, Sum
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
FAILURES_MOST = 10


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


def clusters() -> list[tuple[str, list[tuple[str, datetime]]]]:
    """Return the title of each cluster of worker processes, with the last heartbeat of each host."""
    seen = worker_status.last_heartbeats()
    return [(title, [(host, at) for cluster, host, at in seen if cluster == name]) for name, title in CLUSTERS.items()]


def queue() -> dict[str, object]:
    """Return the figures of the queue.

    ``queued``: the number of jobs that may start now. ``oldest``: since when the longest waiting of them is queued.
    """
    jobs = DuplicationJob.objects
    due = jobs.due()
    return {
        "slots": settings.MOODLE_CONCURRENCY,
        "in_use": jobs.holding_slot().count(),
        "queued": due.count(),
        "scheduled": jobs.filter(state=State.QUEUED, not_before__gt=timezone.now()).count(),
        "checking": jobs.filter(state=State.CHECKING).count(),
        "oldest": due.order_by("queued_at").values_list("queued_at", flat=True).first(),
    }


def moodle_calls() -> Iterable[Mapping[str, object]]:
    """Return the functions of Moodle that dupdash has called since the installation, the most frequent first.

    ``calls``: the number of calls. ``failed``: of these, ended with an error. ``mean``: the mean seconds of a call.
    """
    rows = Counter.objects.filter(name=MOODLE_CALLS).values(function=F("subject"))
    failed = Sum("count", filter=~Q(outcome="ok"), default=0)
    totals = rows.annotate(calls=Sum("count"), failed=failed, mean=Sum("seconds") / Sum("count"))
    return totals.order_by("-calls", "function")


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
    return list(failed.select_related("requester").order_by("-finished_at")[:FAILURES_MOST])
