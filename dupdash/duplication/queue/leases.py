"""Claiming a job, and proving again and again that it is still being driven.

A lease is kept on the database's clock: workers and sweeps on machines whose clocks disagree agree on it.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job

logger = logging.getLogger("dupdash.leases")

# Set by the supervisor for the processes it starts, so that it can give their leases back when it kills them.
WORKER_GROUP_VARIABLE = "DUPDASH_WORKER_GROUP"

DEAD = Q(lease_until__lt=Now()) | Q(lease_until__isnull=True)
FRESH = Q(lease_until__gte=Now())


def doubted_long_enough() -> Q:
    """A lease that was found dead, and that nobody renewed since, though each living worker has tried to."""
    return Q(lease_expired_seen_at__lt=Now() - timedelta(seconds=settings.LEASE_SECONDS / 2))


def lease_end() -> Combinable:
    """The end of a lease taken now, as an expression of the database."""
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


@dataclass(frozen=True)
class Lease:
    """The right to drive one job. ``lost`` is set when somebody else has it."""

    job_id: str
    owner: str
    lost: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def guard(self) -> dict[str, str]:
        """The condition under which this lease's holder may write."""
        return {"lease_owner": self.owner}

    def renew(self) -> bool:
        """Prolong the lease; False, and ``lost`` is set, where it is no longer ours."""
        held = DuplicationJob.objects.filter(pk=self.job_id, state=State.RUNNING, lease_owner=self.owner)
        if held.update(lease_until=lease_end(), lease_expired_seen_at=None):
            return True
        self.lost.set()
        return False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease from a thread while the block runs.

        A database that is away costs waiting, not the lease: whether it was taken meanwhile is seen when the
        database is back.
        """
        done = threading.Event()
        renewer = threading.Thread(target=self._keep, args=(done,), name=f"lease-{self.job_id}", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            done.set()
            renewer.join()

    def _keep(self, done: threading.Event) -> None:
        try:
            while not done.wait(settings.LEASE_SECONDS / 4):
                try:
                    if not self.renew():
                        return
                except DatabaseError as error:
                    logger.warning("the lease of job %s could not be renewed: %s", self.job_id, error)
                    close_old_connections()
        finally:
            connection.close()


def claim(job_id: str) -> Lease | None:
    """Take a queued job that was dispatched; None where somebody else has it, or nobody should."""
    job = DuplicationJob.objects.filter(pk=job_id).first()
    if job is None or job.state != State.QUEUED or job.dispatched_at is None:
        return None
    lease = Lease(job_id, f"{os.environ.get(WORKER_GROUP_VARIABLE, 'alone')}:{os.getpid()}:{uuid.uuid4().hex}")
    try:
        move_job(
            job,
            State.RUNNING,
            kind="started",
            reason="A worker took the job.",
            guard={"dispatched_at__isnull": False},
            attempts=F("attempts") + 1,
            started_at=job.started_at or timezone.now(),
            lease_owner=lease.owner,
            lease_until=lease_end(),
            lease_expired_seen_at=None,
        )
    except StaleJob:
        return None
    return lease
