"""Chooses the queued jobs that may run now, in the order of ``lanes``, and enqueues them in django-q2.

The database decides, and django-q2 only delivers job ids to workers. If it loses a message, the sweep enqueues the job
again.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import lanes
from dupdash.duplication.states import State

logger = logging.getLogger("dupdash.dispatch")

COPIES = "dupdash-copies"
HOUSEKEEPING = "dupdash-housekeeping"


def dispatch() -> None:
    """Give every free slot to the next job, and enqueue these jobs when the transaction is committed.

    Skips jobs whose start is in the future. Also skips jobs whose source another copy blocks, because two backups of
    one source collide (rule 4). Does nothing while dispatch is paused because of a fault of the site (rule 6).
    """
    _fill_slots(for_caller=False)


def take_next() -> str | None:
    """Choose jobs like ``dispatch``, but return the id of the first one, which the calling worker runs itself.

    Returns None if no job may start. The job does not pass through django-q2's queue, so the worker need not wait for
    it.
    """
    return _fill_slots(for_caller=True)


def _fill_slots(*, for_caller: bool) -> str | None:
    if not DuplicationJob.objects.awaiting_dispatch().exists():
        # An idle dupdash opens no transaction here. Code that queues a job calls ``dispatch`` afterwards.
        return None
    taken: str | None = None
    with transaction.atomic():
        MoodleHealth.current()
        # Locking this row lets only one process dispatch at a time. On SQLite the immediate transaction does it.
        health = MoodleHealth.objects.select_for_update().get()
        if health.paused_at is not None:
            return None
        jobs = DuplicationJob.objects
        free = settings.MOODLE_CONCURRENCY - (jobs.holding_slot() | jobs.dispatched()).count()
        for _ in range(free):
            job = lanes.next_job(timezone.now(), _blocked_sources())
            if job is None:
                break
            DuplicationJob.objects.filter(pk=job.pk).update(dispatched_at=timezone.now())
            if for_caller and taken is None:
                taken = job.pk
            else:
                _enqueue_job(job.pk)
    return taken


def redispatch_stale() -> None:
    """Enqueue jobs again that were dispatched long ago and that no worker claimed."""
    overdue = timezone.now() - timedelta(seconds=settings.REDISPATCH_AFTER)
    for job in DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__lt=overdue):
        same = DuplicationJob.objects.filter(pk=job.pk, state=State.QUEUED, dispatched_at=job.dispatched_at)
        if same.update(dispatched_at=timezone.now()):
            logger.warning("no worker took job %s; it is enqueued again", job.pk)
            _enqueue_job(job.pk)


def _blocked_sources() -> QuerySet[DuplicationJob, int]:
    jobs = DuplicationJob.objects
    return (jobs.blocking_source() | jobs.dispatched()).values_list("source_id", flat=True)


def _enqueue_job(job_id: str) -> None:
    transaction.on_commit(lambda: enqueue(COPIES, "dupdash.duplication.tasks.run_job", job_id))


def enqueue(cluster: str, task: str, *arguments: str) -> bool:
    """Put a task into the queue of a cluster. Returns False if the broker is down; then the task is lost.

    ``task``: the path of its function. The sweep enqueues the lost task of a job again, and the supervisor enqueues the
    periodic tasks again.
    """
    try:
        async_task(task, *arguments, cluster=cluster)
    except Exception as error:
        # Any error of a broker (Redis, database).
        logger.warning("%s could not be enqueued: %s", task, error)
        return False
    return True
