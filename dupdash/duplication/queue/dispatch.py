"""Which queued job may run now (``lanes`` has the order), and ringing django-q2's bell for it.

The database decides; django-q2 only carries ids to workers. What it loses is told again by the sweep.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import lanes
from dupdash.duplication.states import BUSY, State

logger = logging.getLogger("dupdash.dispatch")

COPIES = "dupdash-copies"
HOUSEKEEPING = "dupdash-housekeeping"


def dispatch() -> None:
    """Give every free slot to the next job in line, and tell the workers once this is committed.

    A job is passed over while it is not yet its time, and while another copy of its source blocks it (rule 4). Nothing
    is given out while the Moodle is paused (rule 6).
    """
    with transaction.atomic():
        MoodleHealth.current()
        # The one row that two dispatchers meet at; SQLite's immediate transaction has the same effect.
        health = MoodleHealth.objects.select_for_update().get()
        if health.paused_at is not None:
            return
        told = Q(state=State.QUEUED, dispatched_at__isnull=False)
        holding = Q(state__in=BUSY, moodle_done_at__isnull=True)
        free = settings.MOODLE_CONCURRENCY - DuplicationJob.objects.filter(holding | told).count()
        for _ in range(free):
            job = lanes.next_job(timezone.now(), _blocked_sources(told))
            if job is None:
                return
            DuplicationJob.objects.filter(pk=job.pk).update(dispatched_at=timezone.now())
            _enqueue_job(job.pk)


def redispatch_stale() -> None:
    """Tell the workers again of jobs that they were told of and that none took."""
    overdue = timezone.now() - timedelta(seconds=settings.REDISPATCH_AFTER)
    for job in DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__lt=overdue):
        same = DuplicationJob.objects.filter(pk=job.pk, state=State.QUEUED, dispatched_at=job.dispatched_at)
        if same.update(dispatched_at=timezone.now()):
            logger.warning("no worker took job %s; telling them again", job.pk)
            _enqueue_job(job.pk)


def _blocked_sources(told: Q) -> QuerySet[DuplicationJob, int]:
    blocking = DuplicationJob.objects.filter(Q(state__in=BUSY, source_released_at__isnull=True) | told)
    return blocking.values_list("source_id", flat=True)


def _enqueue_job(job_id: str) -> None:
    transaction.on_commit(lambda: enqueue(COPIES, "dupdash.duplication.tasks.run_job", job_id))


def enqueue(cluster: str, task: str, *arguments: str) -> bool:
    """Put a task into a cluster's queue; False where the broker is away (the sweep will ring again)."""
    try:
        async_task(task, *arguments, cluster=cluster)
    except Exception as error:
        # Whatever a broker raises (Redis, database): a doorbell that does not ring must not lose a job.
        logger.warning("%s could not be queued: %s", task, error)
        return False
    return True
