"""Explains why a job has not started yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import lanes, worker_status
from dupdash.duplication.states import State

# Positions in the queue are counted up to this.
COUNTED_MOST = 500


@dataclass(frozen=True)
class Queue:
    """The state of the queue, read once for all waiting jobs of a page."""

    paused: bool
    # The sources that another copy blocks, because two backups of one source collide (rule 4).
    blocked_sources: frozenset[int]
    slots_held: int
    # How many copies are ahead of each job.
    ahead_of: Mapping[str, int] = field(default_factory=dict)
    # The reason for each batch whose jobs may not start now.
    held_batches: Mapping[str, str] = field(default_factory=dict)
    # Whether a worker is running that could take a job.
    worker_running: bool = True

    @classmethod
    def before(
        cls, jobs: Iterable[DuplicationJob], health: MoodleHealth, *, worker_running: bool | None = None
    ) -> "Queue":
        """Read the state of the queue for these jobs, before they are shown.

        ``worker_running``: whether a worker is running; None: read it from the database.
        """
        if not any(job.state == State.QUEUED for job in jobs):
            return cls(health.paused_at is not None, frozenset(), 0)
        taken = (DuplicationJob.objects.busy() | DuplicationJob.objects.dispatched()).order_by()
        rows = list(taken.values_list("source_id", "source_released_at", "moodle_done_at"))
        holding = sum(done is None for _, _, done in rows)
        return cls(
            health.paused_at is not None,
            frozenset(source for source, released, _ in rows if released is None),
            holding,
            # While a slot is free, no job waits for a slot.
            {job_id: place for place, job_id in enumerate(lanes.upcoming(COUNTED_MOST))}
            if holding >= settings.MOODLE_CONCURRENCY
            else {},
            lanes.held_batches(timezone.now()) if any(job.batch_id for job in jobs) else {},
            worker_status.current().running if worker_running is None else worker_running,
        )


class Reason(Enum):
    """The reasons for which a job waits."""

    APPROVAL = auto()
    NO_WORKER = auto()
    PAUSED = auto()
    SCHEDULED = auto()
    RETRY_DELAY = auto()
    UNDO_POSSIBLE = auto()
    BATCH_HELD = auto()
    DISPATCHED = auto()
    SAME_SOURCE = auto()
    NO_SLOT = auto()
    NEXT_SLOT = auto()


def reason_to_wait(job: DuplicationJob, queue: Queue) -> Reason | None:
    """Return why a job waits, or None if it does not wait."""
    if job.state == State.AWAITING_APPROVAL:
        return Reason.APPROVAL
    if job.state != State.QUEUED:
        return None
    if not queue.worker_running:
        return Reason.NO_WORKER
    if queue.paused:
        return Reason.PAUSED
    if job.is_scheduled:
        return Reason.SCHEDULED
    if job.is_delayed:
        return Reason.RETRY_DELAY
    if job.undo_until is not None and job.undo_until > timezone.now():
        return Reason.UNDO_POSSIBLE
    if job.batch_id in queue.held_batches and job.dispatched_at is None:
        return Reason.BATCH_HELD
    if job.dispatched_at is not None:
        return Reason.DISPATCHED
    if job.source_id in queue.blocked_sources:
        return Reason.SAME_SOURCE
    return Reason.NO_SLOT if queue.slots_held >= settings.MOODLE_CONCURRENCY else Reason.NEXT_SLOT


SENTENCES = {
    Reason.APPROVAL: "A course administrator must approve this copy.",
    Reason.NO_WORKER: "dupdash cannot start copies at the moment, because no worker is running.",
    Reason.PAUSED: "Copying is paused. It resumes automatically when dupdash can use Moodle again.",
    Reason.SCHEDULED: "Starts at the scheduled time.",
    Reason.RETRY_DELAY: "Nothing was started in the last attempt. dupdash tries again automatically.",
    Reason.UNDO_POSSIBLE: "Starts in a few seconds.",
    Reason.DISPATCHED: "Starts in a moment.",
    Reason.SAME_SOURCE: "Waits for the copy of the same course that is being made now.",
    Reason.NEXT_SLOT: "Starts as soon as possible.",
}


def why_it_waits(job: DuplicationJob, queue: Queue) -> str:
    """Explain in a sentence why a job waits; "" if it does not wait."""
    reason = reason_to_wait(job, queue)
    if reason is None:
        return ""
    if reason == Reason.BATCH_HELD:
        return queue.held_batches[str(job.batch_id)]
    return _no_slot(job, queue) if reason == Reason.NO_SLOT else SENTENCES[reason]


def _no_slot(job: DuplicationJob, queue: Queue) -> str:
    others = f"{settings.MOODLE_CONCURRENCY} other copies are being made"
    if settings.MOODLE_CONCURRENCY == 1:
        others = "Another copy is being made"
    ahead = queue.ahead_of.get(job.pk)
    if ahead is None:
        return f"{others}. This one starts later."
    if not ahead:
        return f"{others}. This one is next."
    return f"{others}, and {ahead} more {'is' if ahead == 1 else 'are'} ahead of this one."
