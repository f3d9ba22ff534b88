"""Computes the progress of a batch: its copies by state, the share that is done, and the time left."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from statistics import median

from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, JobQuerySet
from dupdash.duplication.progress import progress
from dupdash.duplication.states import BUSY, TERMINAL, UNFINISHED, State

# After this many finished copies, the pace of the batch itself predicts the time left.
ENOUGH_FINISHED = 3
# The number of latest copies from which durations are estimated.
LATEST_COPIES = 500


def current_jobs(batch: Batch) -> JobQuerySet:
    """Return the latest job of each row of a batch. Jobs that were retried are left out."""
    return DuplicationJob.objects.filter(batch=batch, is_retried=False)


@dataclass(frozen=True)
class Totals:
    """The number of copies of a batch in each state."""

    by_state: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.by_state.total()

    @property
    def ended(self) -> int:
        return sum(count for state, count in self.by_state.items() if state in TERMINAL)

    @property
    def unfinished(self) -> int:
        return sum(count for state, count in self.by_state.items() if state in UNFINISHED)

    @property
    def waiting(self) -> int:
        return self.by_state[State.QUEUED] + self.by_state[State.AWAITING_APPROVAL]

    @property
    def succeeded(self) -> int:
        return self.by_state[State.SUCCEEDED]

    @property
    def failed(self) -> int:
        return self.by_state[State.FAILED]


def totals_of(batches: Sequence[Batch]) -> dict[str, Totals]:
    """Return the totals of several batches, by the id of the batch, with one query."""
    jobs = DuplicationJob.objects.filter(batch__in=batches, is_retried=False).order_by()
    found: dict[str, Totals] = {batch.pk: Totals() for batch in batches}
    for batch_id, state, count in jobs.values_list("batch_id", "state").annotate(count=Count("pk")):
        if batch_id is not None:
            found[batch_id].by_state[state] = count
    return found


def share_done(batch: Batch, totals: Totals) -> float:
    """Return the share of the work that is done, from 0 to 1. Each running copy counts with its own progress."""
    if not totals.total:
        return 1.0
    under_way = sum(progress(job).number for job in current_jobs(batch).filter(state__in=BUSY))
    return (totals.ended + under_way) / totals.total


def time_left(batch: Batch, totals: Totals) -> timedelta | None:
    """Return how long the unfinished copies will probably take. None: the batch is paused, or nothing is known.

    After ENOUGH_FINISHED copies have succeeded, the estimate uses the pace of the batch; before that, the durations of
    earlier jobs.
    """
    if not totals.unfinished:
        return timedelta(0)
    if batch.paused_at is not None:
        return None
    jobs = current_jobs(batch)
    if totals.succeeded >= ENOUGH_FINISHED:
        first: datetime | None = jobs.aggregate(first=Min("started_at"))["first"]
        if first is not None:
            pace = (timezone.now() - first) / max(1.0, totals.ended)
            return pace * totals.unfinished
    waiting = jobs.filter(state__in=UNFINISHED).values_list("source_id", flat=True)
    return expected_duration(waiting)


def expected_duration(sources: Iterable[int]) -> timedelta | None:
    """Estimate how long copying these sources takes, from earlier copies of any source.

    Returns None if there are no earlier copies, or no sources.
    """
    sources = list(sources)
    finished = (
        DuplicationJob.objects.filter(
            state=State.SUCCEEDED, sent_at__isnull=False, finished_at__isnull=False, checking_since__isnull=True
        )
        .order_by("-finished_at")
        .values_list("source_id", "sent_at", "finished_at")[:LATEST_COPIES]
    )
    seconds: dict[int, list[float]] = {}
    for source, sent, ended in finished:
        if sent is not None and ended is not None:
            seconds.setdefault(source, []).append((ended - sent).total_seconds())
    if not seconds or not sources:
        return None
    usual = median(length for lengths in seconds.values() for length in lengths)
    known = {source: median(lengths) for source, lengths in seconds.items()}
    work = sum(known.get(source, usual) for source in sources)
    slots = min(settings.MOODLE_CONCURRENCY, len(sources))
    return timedelta(seconds=ceil(work / slots))
