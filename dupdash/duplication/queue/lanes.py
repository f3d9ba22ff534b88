"""The order in which queued jobs are dispatched: the only place that decides it.

Jobs wait in lanes: one for all single requests, one for each batch. Free slots go to the lanes in turn: first by
priority, then to the lane whose last turn is the longest ago. So a batch of hundreds of copies delays a single request
by one copy at most. Within its lane a single request comes by age; the copies of a batch come in an order that was made
when the batch was accepted, with the copies of one source spread out.
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
    """``key``: the id of its batch, or SINGLE."""

    key: str
    priority: int
    last_turn: datetime

    def waiting(self) -> JobQuerySet:
        """The jobs of this lane that may start now, in order."""
        waiting = DuplicationJob.objects.due().filter(dispatched_at__isnull=True)
        if self.key == SINGLE:
            return waiting.filter(batch__isnull=True).order_by("queued_at", "id")
        return waiting.filter(batch=self.key).order_by(F("batch_order").asc(), "id")


def lanes(now: datetime) -> list[Lane]:
    """The lanes that may have a slot now, the one whose turn it is first."""
    turns = dict(LaneTurn.objects.values_list("lane", "at"))
    # Before everything else: single requests that never had a turn.
    single = Lane(SINGLE, 0, turns.get(SINGLE, datetime.min.replace(tzinfo=now.tzinfo)))
    batches = [
        # A new batch waits for its turn like one that had its last turn when it was accepted.
        Lane(batch.pk, batch.priority, turns.get(batch.pk, batch.created_at))
        for batch in Batch.objects.filter(closed_at__isnull=True, paused_at__isnull=True)
        if batch.is_in_window(now)
    ]
    return sorted([single, *batches], key=lambda lane: (-lane.priority, lane.last_turn, lane.key))


def next_job(now: datetime, blocked_sources: Iterable[int]) -> DuplicationJob | None:
    """The job that gets the next free slot; its lane has had its turn then. None where no job may start."""
    blocked = frozenset(blocked_sources)
    in_order = lanes(now)
    for lane in in_order:
        job = lane.waiting().exclude(source_id__in=blocked).first()
        if job is not None:
            # Later than every other turn, also where the clock was put back.
            latest = max([now, *(other.last_turn + timedelta(microseconds=1) for other in in_order)])
            LaneTurn.objects.update_or_create(lane=lane.key, defaults={"at": latest})
            return job
    return None


def line(most: int) -> list[str]:
    """The ids of the first waiting jobs in the order in which they will probably be dispatched."""
    return list(islice(_in_turn(lanes(timezone.now()), most), most))


def _in_turn(all_lanes: list[Lane], most: int) -> Iterator[str]:
    """The lanes of one priority take turns; those of a lower priority follow when they are empty."""
    for priority in sorted({lane.priority for lane in all_lanes}, reverse=True):
        left = [
            iter(list(lane.waiting().values_list("pk", flat=True)[:most]))
            for lane in all_lanes
            if lane.priority == priority
        ]
        while left:
            still = []
            for waiting in left:
                job_id = next(waiting, None)
                if job_id is not None:
                    still.append(waiting)
                    yield job_id
            left = still


def closed_batches(now: datetime) -> Mapping[str, str]:
    """The batches whose jobs may not start now, each with the reason in a sentence."""
    reasons = {}
    for batch in Batch.objects.filter(closed_at__isnull=True):
        if batch.paused_at is not None:
            reasons[batch.pk] = PAUSED
        elif batch.window_start and batch.window_end and not batch.is_in_window(now):
            reasons[batch.pk] = OUTSIDE_WINDOW.format(f"{batch.window_start:%H:%M}", f"{batch.window_end:%H:%M}")
    return reasons
