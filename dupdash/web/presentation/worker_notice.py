"""Writes the notice that no worker is running: since when, the consequences, and what this person can do."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue.worker_status import WorkerStatus
from dupdash.duplication.states import State


@dataclass(frozen=True)
class WorkerNotice:
    # When the last worker ran; None if no worker has ever run.
    since: datetime | None
    means: str
    do: str


def worker_notice(status: WorkerStatus, user: User) -> WorkerNotice | None:
    """Return the notice, or None while a worker is running."""
    if status.running:
        return None
    if access.is_administrator(user):
        return WorkerNotice(
            status.last_seen_at,
            "Until a worker runs, no copy starts and no copy is checked in Moodle. No request is lost.",
            status.advice,
        )
    return WorkerNotice(
        status.last_seen_at,
        "dupdash cannot start copies until a worker runs again. Your request is kept.",
        "Nothing: the course administrators can see this.",
    )


def needs_worker(job: DuplicationJob) -> bool:
    """Return whether this job can continue only if a worker is running."""
    return not job.is_terminal and job.state != State.AWAITING_APPROVAL
