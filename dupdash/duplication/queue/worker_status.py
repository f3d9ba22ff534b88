"""Finds out whether a worker is running, from the heartbeats, sweeps and leases in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat, DatabaseWriteProbe, DuplicationJob, FinishedSweep
from dupdash.duplication.queue.dispatch import COPIES, HOUSEKEEPING
from dupdash.duplication.queue.leases import FRESH
from dupdash.duplication.states import State

START_COMMAND = "manage.py worker"
START_SERVICE = "systemctl start dupdash-worker"
RESTART_SERVICE = "systemctl restart dupdash-worker"


@dataclass(frozen=True)
class WorkerStatus:
    """Whether a worker is running. ``last_seen_at`` is None if no worker has ever run with this database."""

    running: bool
    last_seen_at: datetime | None = None
    # The supervisor runs, but the cluster that makes the copies does not work.
    supervisor_running: bool = False

    @property
    def advice(self) -> str:
        """Return what an administrator should do if no worker is running; "" while one is running."""
        if self.running:
            return ""
        if self.supervisor_running:
            return (
                f"The supervisor runs, but its copy processes do not answer. Read the worker’s log, then restart the "
                f"worker: {RESTART_SERVICE}"
            )
        return f"Start it: {START_SERVICE} (or {START_COMMAND}). If a worker has stopped, its log says why."


def current() -> WorkerStatus:
    """Return the current status of the workers.

    If all workers are busy with copies, none of them runs heartbeats, but they renew the leases of their jobs.
    """
    copies = ClusterHeartbeat.objects.filter(cluster=COPIES).aggregate(newest=Max("at"))["newest"]
    alive_since = timezone.now() - timedelta(seconds=settings.HEARTBEAT_LIMIT)
    if copies is not None and copies >= alive_since:
        return WorkerStatus(running=True, last_seen_at=copies)
    if DuplicationJob.objects.filter(FRESH, state=State.RUNNING).exists():
        return WorkerStatus(running=True, last_seen_at=timezone.now())
    others = _signs_of_the_supervisor()
    if any(at >= alive_since for at in others):
        return WorkerStatus(running=False, last_seen_at=copies, supervisor_running=True)
    signs = [*others, *([copies] if copies is not None else [])]
    return WorkerStatus(running=False, last_seen_at=max(signs, default=None))


def _signs_of_the_supervisor() -> list[datetime]:
    """Return the times of the last signs of life of the supervisor and its housekeeping cluster."""
    rows = (
        ClusterHeartbeat.objects.filter(cluster=HOUSEKEEPING),
        DatabaseWriteProbe.objects.all(),
        FinishedSweep.objects.all(),
    )
    return [at for found in rows for at in found.values_list("at", flat=True) if at is not None]


def last_heartbeats() -> list[tuple[str, str, datetime]]:
    """Return the name, host and last heartbeat of every cluster.

    Clusters that no longer run are included until a supervisor deletes their rows, a day later or more.
    """
    seen = ClusterHeartbeat.objects.filter(at__isnull=False).values_list("cluster", "host")
    return list(seen.annotate(newest=Max("at")).order_by("cluster", "host"))
