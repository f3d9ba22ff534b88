"""Helpers that change a job between two steps of the engine, to test race conditions."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from django.db import connection
from django_q.brokers import get_broker

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch, leases

DOUBTS = 'UPDATE "duplication_duplicationjob" SET "lease_expired_seen_at" ='
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def messages() -> int:
    """Return the number of messages in the queue of the cluster that makes copies."""
    return int(get_broker(dispatch.COPIES).queue_size())


def give_lease_to_another_worker(job: DuplicationJob) -> None:
    """Give the lease of a job to another worker."""
    DuplicationJob.objects.filter(pk=job.pk).update(
        lease_owner="else:1:x", lease_until=leases.Now() + timedelta(hours=1)
    )


def expire_lease_long_ago(job: DuplicationJob) -> None:
    """Give the job a lease that has expired, and that a sweep noticed as expired long ago."""
    DuplicationJob.objects.filter(pk=job.pk).update(
        lease_until=leases.Now() - timedelta(seconds=1), lease_expired_seen_at=LONG_AGO
    )


@contextlib.contextmanager
def before_first_write(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Run ``meanwhile`` right before the first write of this database connection, after it has read the job.

    Updates that only note an expired lease do not count as the first write.
    """
    todo = [meanwhile]

    def first(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if todo and sql.startswith(("BEGIN", "UPDATE")) and not sql.startswith(DOUBTS):
            todo.pop()()
        return execute(sql, *rest)

    with connection.execute_wrapper(first):
        yield
    assert not todo, "nothing was written"
