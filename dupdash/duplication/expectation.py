"""Estimates how long a copy takes, from earlier copies and from how many copies Moodle makes at the same time.

The *load* is how many copies Moodle makes at the same time. Simultaneous copies slow each other down, so a duration
means little without the load at which it was measured. Every finished job stores its load (``concurrent_copies``). The
durations of earlier copies are converted to the load that is expected for the next one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import median
from typing import Any

from django.conf import settings
from django.db.models import Q

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import BUSY, State

# The duration grows with the number of activities plus this (measured: 5 activities 1 s, 64 6 s, 307 45 s).
COURSE_WEIGHT = 5
# Seconds per unit of weight before the first copy of the installation (measured: from 0.045 to 0.14).
ROUGH_PACE = 0.06
COPIES_OF_SOURCE = 20
COPIES_OF_ALL = 100
# The slowdown for each further simultaneous copy, as a share of the duration of a copy that runs alone. It is used
# until earlier copies of one source at different loads show the true value (measured: 0.2 to 0.36 on two cores).
SLOWDOWN = 0.3
SLOWDOWN_MOST = 1.0
# SLOWDOWN counts like this many measured pairs of copies.
SLOWDOWN_PAIRS = 3
# A pair of copies shows the slowdown only if its loads differ by this factor.
LOADS_APART = 1.5


@dataclass(frozen=True)
class Expectation:
    """The estimated seconds of backup and restore, and the earlier copies that the estimate comes from."""

    backup: float
    restore: float
    # The number of earlier copies; 0 for a rough estimate from the number of activities.
    copies: int
    of_this_source: bool

    @property
    def total(self) -> float:
        return self.backup + self.restore

    @property
    def rough(self) -> bool:
        return self.copies == 0


@dataclass(frozen=True)
class PastCopy:
    """One finished copy, for estimates: its source, its seconds of backup and restore, and its average load."""

    source_id: int
    # The number of activities plus COURSE_WEIGHT; None if it is unknown.
    weight: int | None
    # Whether the copy included people.
    people: bool
    backup: float
    restore: float
    load: float

    def at_load(self, load: float, slowdown: float) -> tuple[float, float]:
        """Return the seconds that the backup and the restore would have taken at another load.

        ``load``: how many copies Moodle makes at the same time. ``slowdown``: as from ``learned_slowdown``.
        """
        factor = _slowed(load, slowdown) / _slowed(self.load, slowdown)
        return self.backup * factor, self.restore * factor


def expect(
    source_id: int, activities: int | None, options: Mapping[str, Any] | None = None, load: float | None = None
) -> Expectation | None:
    """Return the estimate for a copy of this source that is sent now; None if there are no comparable earlier copies.

    The estimate comes from the latest copies of the same source, preferably those with the same choice about people. If
    there are none, it comes from the latest copies of all sources, scaled by the number of activities.
    ``options``: the options of the copy, if known. ``load``: how many copies Moodle makes at the same time; by default
    ``expected_load()``.
    """
    finished = DuplicationJob.objects.filter(
        state=State.SUCCEEDED, sent_at__isnull=False, finished_at__isnull=False, checking_since__isnull=True
    ).order_by("-finished_at")
    same = [_past(job) for job in finished.filter(source_id=source_id)[:COPIES_OF_SOURCE]]
    latest = [_past(job) for job in finished[:COPIES_OF_ALL]]
    slowdown = learned_slowdown([*same, *(copy for copy in latest if copy.source_id != source_id)])
    load = expected_load() if load is None else load
    if same:
        alike = [copy for copy in same if options is None or copy.people == bool(options.get("users"))]
        durations = [copy.at_load(load, slowdown) for copy in alike or same]
        return Expectation(*_medians(durations), len(durations), of_this_source=True)
    if activities is None:
        return None
    weight = COURSE_WEIGHT + activities
    durations = [
        (backup * weight / copy.weight, restore * weight / copy.weight)
        for copy in latest
        if copy.weight is not None
        for backup, restore in [copy.at_load(load, slowdown)]
    ]
    return Expectation(*_medians(durations), len(durations), of_this_source=False) if durations else None


def rough_expectation(activities: int | None) -> Expectation | None:
    """Return the estimate for a copy without comparable earlier copies. It may be very wrong.

    It is computed from the number of activities alone. Returns None if that number is unknown.
    """
    if activities is None:
        return None
    half = ROUGH_PACE * (COURSE_WEIGHT + activities) / 2
    return Expectation(half, half, 0, of_this_source=False)


def expected_load() -> float:
    """Return how many copies Moodle will probably make at the same time while the next one runs.

    It is the number of jobs that are running, checked or ready to start; at least 1, at most MOODLE_CONCURRENCY.
    """
    jobs = DuplicationJob.objects
    unfinished = jobs.busy().count() + jobs.due().count()
    return float(min(settings.MOODLE_CONCURRENCY, max(1, unfinished)))


def load_during(job: DuplicationJob, end: datetime) -> float | None:
    """Return the average number of copies, this one included, that Moodle made while it made this one.

    Returns None if the job was not sent before ``end``, the time at which this copy was complete.
    """
    start = job.sent_at
    if start is None or end <= start:
        return None
    others = DuplicationJob.objects.filter(
        Q(finished_at__gt=start) | Q(finished_at__isnull=True, state__in=BUSY), sent_at__lt=end
    ).exclude(pk=job.pk)
    shared = sum(
        max(0.0, (min(end, done or finished or end) - max(start, sent)).total_seconds())
        for sent, done, finished in others.values_list("sent_at", "moodle_done_at", "finished_at")
        if sent is not None
    )
    return 1 + shared / (end - start).total_seconds()


def learned_slowdown(copies: Iterable[PastCopy]) -> float:
    """Return the slowdown for each further simultaneous copy, as a share of a lone copy's duration.

    It is learned from pairs of copies of the same source.
    """
    by_source: dict[tuple[int, bool], list[PastCopy]] = {}
    for copy in copies:
        by_source.setdefault((copy.source_id, copy.people), []).append(copy)
    found = [
        slowdown
        for same in by_source.values()
        for one, other in combinations(same, 2)
        if (slowdown := _slowdown_of_pair(one, other)) is not None
    ]
    return median([*found, *[SLOWDOWN] * SLOWDOWN_PAIRS])


def _slowdown_of_pair(one: PastCopy, other: PastCopy) -> float | None:
    """Solve ``one / other = (1 + s * (load of one - 1)) / (1 + s * (load of other - 1))`` for s.

    ``one / other`` is the ratio of the durations. Returns None if the loads are too similar to show s.
    """
    low, high = sorted((one, other), key=lambda copy: copy.load)
    if high.load < low.load * LOADS_APART:
        return None
    quick, slow = low.backup + low.restore, high.backup + high.restore
    divisor = quick * (high.load - 1) - slow * (low.load - 1)
    # No slowdown explains a busy Moodle that was much slower than the idle one: the upper bound.
    if divisor <= 0:
        return SLOWDOWN_MOST
    return min(SLOWDOWN_MOST, max(0.0, (slow - quick) / divisor))


def _slowed(load: float, slowdown: float) -> float:
    return 1 + slowdown * max(0.0, load - 1)


def _past(job: DuplicationJob) -> PastCopy:
    """Return the finished job as a past copy.

    If no lookup showed the restore, half of the duration counts as backup (measured).
    """
    ended = job.moodle_done_at or job.finished_at
    if job.sent_at is None or ended is None:
        raise ValueError(f"Job {job.pk} has no complete history.")
    total = (ended - job.sent_at).total_seconds()
    backup = (job.restore_at - job.sent_at).total_seconds() if job.restore_at else total / 2
    return PastCopy(
        job.source_id,
        None if job.source_activities is None else COURSE_WEIGHT + job.source_activities,
        bool(job.options.get("users")),
        max(0.0, backup),
        max(0.0, total - backup),
        job.concurrent_copies or 1.0,
    )


def _medians(durations: list[tuple[float, float]]) -> tuple[float, float]:
    return median(backup for backup, _ in durations), median(restore for _, restore in durations)
