"""Why a job waits, in a sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import Q

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import waiting_in_order
from dupdash.duplication.states import BUSY, State

# Nobody counts further than this.
COUNTED = 500


@dataclass(frozen=True)
class Queue:
    """What stands before the jobs that wait: read once for a page, however many of its jobs wait."""

    paused: bool
    # Sources of which a copy is on its way whose course was not seen yet (rule 4): no second one starts meanwhile.
    unseen_sources: frozenset[int]
    busy: int
    # How many stand before each job that is in line.
    before_it: Mapping[str, int] = field(default_factory=dict)
    # Whether any worker could take a job.
    worker_running: bool = True

    @classmethod
    def before(
        cls, jobs: Iterable[DuplicationJob], health: MoodleHealth, *, worker_running: bool | None = None
    ) -> "Queue":
        """``worker_running`` None: read from the database whether a worker runs."""
        if not any(job.state == State.QUEUED for job in jobs):
            return cls(health.paused_at is not None, frozenset(), 0)
        told = Q(state=State.QUEUED, dispatched_at__isnull=False)
        taken = DuplicationJob.objects.filter(Q(state__in=BUSY) | told).order_by()
        rows = list(taken.values_list("source_id", "source_released_at", "moodle_done_at"))
        holding = sum(done is None for _, _, done in rows)
        return cls(
            health.paused_at is not None,
            frozenset(source for source, released, _ in rows if released is None),
            holding,
            # While there is a free place nobody stands in line.
            {job_id: place for place, job_id in enumerate(_line())} if holding >= settings.MOODLE_CONCURRENCY else {},
            worker_status.current().running if worker_running is None else worker_running,
        )


def _line() -> Iterable[str]:
    return waiting_in_order().values_list("pk", flat=True)[:COUNTED]


def why_it_waits(job: DuplicationJob, queue: Queue) -> str:
    """Empty for a job that does not wait."""
    if job.state == State.AWAITING_APPROVAL:
        return "A course administrator decides about it."
    if job.state != State.QUEUED:
        return ""
    if not queue.worker_running:
        return "No worker is running, so this copy cannot start."
    if queue.paused:
        return "Copies are paused until Moodle can be used again."
    if job.is_scheduled:
        if job.requested_start is None:
            return "The last attempt started nothing. It is tried again by itself, a little later."
        return "It starts at the time that was asked for."
    if job.dispatched_at is not None:
        return "Its turn has come; it starts in a moment."
    if job.source_id in queue.unseen_sources:
        return "Another copy of the same course is on its way, and has to come first."
    if queue.busy >= settings.MOODLE_CONCURRENCY:
        places = f"All {settings.MOODLE_CONCURRENCY} places are taken"
        if settings.MOODLE_CONCURRENCY == 1:
            places = "Another copy is being made"
        before = queue.before_it.get(job.pk)
        if before is None:
            return f"{places}; it starts when one is free."
        if not before:
            return f"{places}; it is the next in line."
        return f"{places}, and {before} {'copy stands' if before == 1 else 'copies stand'} in line before it."
    return "It starts as soon as a place is free."
