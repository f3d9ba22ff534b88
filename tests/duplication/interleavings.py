"""Putting something between two steps of the engine, at the very moment where it would hurt."""

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
    """The number of messages in the queue of the copies cluster."""
    return int(get_broker(dispatch.COPIES).queue_size())


def give_lease_to_another_worker(job: DuplicationJob) -> None:
    """Give the lease of a job to another worker."""
    DuplicationJob.objects.filter(pk=job.pk).update(
        lease_owner="else:1:x", lease_until=leases.Now() + timedelta(hours=1)
    )


def a_dead_lease(job: DuplicationJob) -> None:
    """It ran out, and was found so by a sweep long ago."""
    DuplicationJob.objects.filter(pk=job.pk).update(
        lease_until=leases.Now() - timedelta(seconds=1), lease_expired_seen_at=LONG_AGO
    )


@contextlib.contextmanager
def before_it_is_written(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Let something happen between the reading of this connection and its first writing, doubts apart."""
    todo = [meanwhile]

    def first(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if todo and sql.startswith(("BEGIN", "UPDATE")) and not sql.startswith(DOUBTS):
            todo.pop()()
        return execute(sql, *rest)

    with connection.execute_wrapper(first):
        yield
    assert not todo, "nothing was written"
