"""Decides the order in which queued jobs are dispatched. No other module does.

Jobs wait in lanes: one lane for all single requests, and one for each batch. Each free slot goes to a lane of the
highest priority, and among lanes of this priority to the one that has waited longest for a turn. So a batch of normal
or low priority delays a single request by at most one copy, however many copies it has. A batch of high priority goes
first. Single requests are ordered by age. The order of the jobs in a batch was computed when the batch was accepted,
and spreads the copies of each source.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, JobQuerySet, LaneTurn

SINGLE = ""
PAUSED = "Its batch is paused."
OUTSIDE_WINDOW = "Its batch starts copies only from {} to {}."


@dataclass(frozen=True)
class Lane:
    """A lane of waiting jobs. ``key``: the id of its batch, or SINGLE for all single requests."""

    key: str
    priority: int
    last_turn: datetime

    def waiting(self) -> JobQuerySet:
        """Return the jobs of this lane that may start now, in their order."""
        waiting = DuplicationJob.objects.awaiting_dispatch()
        if self.key == SINGLE:
            return waiting.filter(batch__isnull=True).order_by("queued_at", "id")
        return waiting.filter(batch=self.key).order_by(F("batch_order").asc(), "id")


def lanes(now: datetime) -> list[Lane]:
    """Return the lanes whose jobs may start now, in the order of their turns."""
    turns = dict(LaneTurn.objects.values_list("lane", "at"))
    # Single requests that never had a turn come first.
    single = Lane(SINGLE, 0, turns.get(SINGLE, datetime.min.replace(tzinfo=now.tzinfo)))
    batches = [
        # A new batch counts as if its last turn had been when it was accepted.
        Lane(batch.pk, batch.priority, turns.get(batch.pk, batch.created_at))
        for batch in Batch.objects.filter(closed_at__isnull=True, paused_at__isnull=True)
        if batch.is_in_window(now)
    ]
    return sorted([single, *batches], key=lambda lane: (-lane.priority, lane.last_turn, lane.key))


def next_job(now: datetime, blocked_sources: Iterable[int]) -> DuplicationJob | None:
    """Return the job that gets the next free slot; None if no job may start. Records the turn of its lane."""
    blocked = frozenset(blocked_sources)
    in_order = lanes(now)
    for lane in in_order:
        job = lane.waiting().exclude(source_id__in=blocked).first()
        if job is not None:
            # Later than every other turn, even if the clock was set back.
            latest = max([now, *(other.last_turn + timedelta(microseconds=1) for other in in_order)])
            LaneTurn.objects.update_or_create(lane=lane.key, defaults={"at": latest})
            return job
    return None


def ahead_of_new_request() -> int:
    """Return how many waiting jobs will be dispatched before a single request that is queued now."""
    in_order = lanes(timezone.now())
    waiting = {lane.key: lane.waiting().count() for lane in in_order}
    single = next(lane for lane in in_order if lane.key == SINGLE)
    ahead = waiting[SINGLE]
    # The turns that each other lane of this priority gets before the new request: one more if its next turn is earlier.
    turns = waiting[SINGLE] + 1
    for lane in in_order:
        if lane == single:
            turns = waiting[SINGLE]
        elif lane.priority > single.priority:
            ahead += waiting[lane.key]
        elif lane.priority == single.priority:
            ahead += min(waiting[lane.key], turns)
    return ahead


def upcoming(most: int) -> list[str]:
    """Return the ids of the next jobs, at most ``most``, in the order in which they will probably be dispatched."""
    return list(islice(_merge(lanes(timezone.now()), most), most))


def _merge(all_lanes: list[Lane], most: int) -> Iterator[str]:
    """Yield the ids of jobs from lanes that take turns, at most ``most`` from each lane.

    A lane has its turn when the lanes of higher priorities are empty.
    """
    for priority in sorted({lane.priority for lane in all_lanes}, reverse=True):
        not_empty = [
            iter(list(lane.waiting().values_list("pk", flat=True)[:most]))
            for lane in all_lanes
            if lane.priority == priority
        ]
        while not_empty:
            remaining = []
            for waiting in not_empty:
                job_id = next(waiting, None)
                if job_id is not None:
                    remaining.append(waiting)
                    yield job_id
            not_empty = remaining


def held_batches(now: datetime) -> Mapping[str, str]:
    """Return the ids of the batches whose jobs may not start now, each with the reason in a sentence."""
    reasons = {}
    for batch in Batch.objects.filter(closed_at__isnull=True):
        if batch.paused_at is not None:
            reasons[batch.pk] = PAUSED
        elif batch.window_start and batch.window_end and not batch.is_in_window(now):
            reasons[batch.pk] = OUTSIDE_WINDOW.format(f"{batch.window_start:%H:%M}", f"{batch.window_end:%H:%M}")
    return reasons
