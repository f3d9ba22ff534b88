"""Why a job waits, in a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import BUSY, State


@dataclass(frozen=True)
class Queue:
    """What stands before the jobs that wait: read once for a page, however many of its jobs wait."""

    paused: bool
    # Sources of which a copy is on its way whose course was not seen yet (rule 4): no second one starts meanwhile.
    unseen_sources: frozenset[int]
    busy: int

    @classmethod
    def before(cls, jobs: Iterable[DuplicationJob], health: MoodleHealth) -> "Queue":
        if not any(job.state == State.QUEUED for job in jobs):
            return cls(health.paused_at is not None, frozenset(), 0)
        told = Q(state=State.QUEUED, dispatched_at__isnull=False)
        taken = DuplicationJob.objects.filter(Q(state__in=BUSY) | told).values_list("source_id", "seen_at")
        return cls(
            health.paused_at is not None,
            frozenset(source for source, seen_at in taken if seen_at is None),
            len(taken),
        )


def why_it_waits(job: DuplicationJob, queue: Queue) -> str:
    """Empty for a job that does not wait."""
    if job.state == State.AWAITING_APPROVAL:
        return "A course administrator decides about it."
    if job.state != State.QUEUED:
        return ""
    if queue.paused:
        return "Copies are paused until the Moodle is put right."
    if job.is_scheduled:
        if job.attempts:
            return "The last attempt started nothing. It is tried again by itself, a little later."
        return "It starts at the time that was asked for."
    if job.dispatched_at is not None:
        return "Its turn has come; it starts in a moment."
    if job.source_id in queue.unseen_sources:
        return "Another copy of the same course is on its way, and has to come first."
    if queue.busy >= settings.MOODLE_CONCURRENCY:
        return f"All {settings.MOODLE_CONCURRENCY} places are taken; it starts when one is free."
    return "It starts as soon as a place is free."
