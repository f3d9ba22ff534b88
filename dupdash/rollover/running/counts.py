"""How far a batch is: its copies by state, its progress, and the time it will still take."""

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

# So many finished copies of a batch say how long the others will take.
ENOUGH_FINISHED = 3
# The latest copies that an expectation rests on.
LATEST_COPIES = 500


def current_jobs(batch: Batch) -> JobQuerySet:
    """The jobs of a batch without those that were tried again: one for each row."""
    return DuplicationJob.objects.filter(batch=batch, is_retried=False)


@dataclass(frozen=True)
class Totals:
    """The copies of a batch by state."""

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
    """The totals of several batches, by id, with one query."""
    jobs = DuplicationJob.objects.filter(batch__in=batches, is_retried=False).order_by()
    found: dict[str, Totals] = {batch.pk: Totals() for batch in batches}
    for batch_id, state, count in jobs.values_list("batch_id", "state").annotate(count=Count("pk")):
        if batch_id is not None:
            found[batch_id].by_state[state] = count
    return found


def share_done(batch: Batch, totals: Totals) -> float:
    """How much of the work is done, from 0 to 1: copies under way count by their own progress."""
    if not totals.total:
        return 1.0
    under_way = sum(progress(job).number for job in current_jobs(batch).filter(state__in=BUSY))
    return (totals.ended + under_way) / totals.total


def time_left(batch: Batch, totals: Totals) -> timedelta | None:
    """How long the unfinished copies will probably take; None where that is not known.

    From the pace of the batch itself, once some of it are done; before that from earlier copies.
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
    """How long it takes to copy these sources, one for each copy, from earlier copies; None where there are none."""
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
