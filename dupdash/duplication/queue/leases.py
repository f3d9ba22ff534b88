"""Claims jobs for workers, and renews their leases.

Leases use the database's clock, because the clocks of the workers' machines may differ.
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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

# The supervisor sets this variable for the processes that it starts, so that it can recover their jobs after it killed
# them.
WORKER_GROUP_VARIABLE = "DUPDASH_WORKER_GROUP"

EXPIRED = Q(lease_until__lt=Now()) | Q(lease_until__isnull=True)
FRESH = Q(lease_until__gte=Now())


def expired_for_a_while() -> Q:
    """Return the condition for leases whose expiry a sweep noticed at least LEASE_SECONDS / 2 ago.

    Every running worker has tried to renew its lease since then, so the workers of these leases no longer run.
    """
    return Q(lease_expired_seen_at__lt=Now() - timedelta(seconds=settings.LEASE_SECONDS / 2))


def lease_end() -> Combinable:
    """Return the end of a lease that begins now, as a query expression."""
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


@dataclass(frozen=True)
class Lease:
    """A worker's right to work on a job. ``lost`` is set when another process has taken the job."""

    job_id: str
    owner: str
    lost: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def guard(self) -> dict[str, str]:
        """Return the condition under which the holder of this lease may change the job."""
        return {"lease_owner": self.owner}

    def renew(self) -> bool:
        """Renew the lease. If another process has taken the job, sets ``lost`` and returns False."""
        held = DuplicationJob.objects.filter(pk=self.job_id, state=State.RUNNING, lease_owner=self.owner)
        if held.update(lease_until=lease_end(), lease_expired_seen_at=None):
            return True
        self.lost.set()
        return False

    def renewed(self) -> AbstractContextManager[None]:
        """Renew the lease from a thread while the ``with`` block runs. It sets ``lost`` if the job was taken."""
        return renewed(self.renew, f"the lease of job {self.job_id}")


@contextmanager
def renewed(renew: Callable[[], bool], what: str) -> Iterator[None]:
    """Call ``renew`` from a thread while the ``with`` block runs, until it returns False.

    While the database is down, the thread keeps trying.
    """
    done = threading.Event()
    renewer = threading.Thread(target=_renew_until, args=(done, renew, what), name=f"renewal of {what}", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()


def _renew_until(done: threading.Event, renew: Callable[[], bool], what: str) -> None:
    try:
        while not done.wait(settings.LEASE_SECONDS / 4):
            try:
                if not renew():
                    return
            except DatabaseError as error:
                logger.warning("%s could not be renewed: %s", what, error)
                close_old_connections()
    finally:
        connection.close()


def claim(job_id: str) -> Lease | None:
    """Claim a dispatched job, and return the lease.

    Returns None if another worker has the job, or it is no longer dispatched.
    """
    job = DuplicationJob.objects.filter(pk=job_id).first()
    if job is None or job.state != State.QUEUED or job.dispatched_at is None:
        return None
    lease = Lease(job_id, f"{os.environ.get(WORKER_GROUP_VARIABLE, 'alone')}:{os.getpid()}:{uuid.uuid4().hex}")
    try:
        move_job(
            job,
            State.RUNNING,
            kind="started",
            reason="A worker claimed the job.",
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
