"""Phase, status, overall progress and time left of a job: what was seen, and what earlier copies let expect.

An estimate says that it is one; unknown is unknown (rule 5). Every figure is a function of the moments in the
job's row and of now, grows with now, and so never goes backward.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.states import State

# An estimate stops here until the next milestone is seen: it must not say "done".
ESTIMATE_ENDS = 0.95
# Contents become visible near the end of the restore (35.7 of 39.3 s in the measured copy).
CONTENT_VISIBLE = 0.8
# What one more activity and the course itself weigh in a duration (measured: 5 activities 1 s, 64 6 s, 307 45 s).
COURSE_WEIGHT = 5
# The proposed service's number for restore, and Moodle's code backup::STATUS_EXECUTING.
RESTORE_PHASE = 2
EXECUTING = 800
COPIES_OF_SOURCE = 20
COPIES_OF_ALL = 100
COPIES_NEEDED = 3


@dataclass(frozen=True)
class Expectation:
    """How long backup and restore of a source should take, in seconds, and on what that rests."""

    backup: float
    restore: float
    copies: int
    of_this_source: bool

    @property
    def total(self) -> float:
        return self.backup + self.restore


@dataclass(frozen=True)
class Progress:
    """What a page or a program may show. None: unknown."""

    phase: str
    backup: float | None
    restore: float | None
    overall: float | None
    # True where a figure rests on earlier copies rather than on something seen.
    estimated: bool
    time_left: timedelta | None
    # For programs that need a number: never None, never backward; the last proven milestone where unknown.
    number: float


def expect(source_id: int, activities: int | None) -> Expectation | None:
    """What history lets expect of a copy of this source; None where it says nothing.

    From the latest copies of the same source; else of all, by the number of activities.
    """
    whole = DuplicationJob.objects.filter(
        state=State.SUCCEEDED, sent_at__isnull=False, finished_at__isnull=False, checking_since__isnull=True
    ).order_by("-finished_at")
    same = [_durations(job) for job in whole.filter(source_id=source_id)[:COPIES_OF_SOURCE]]
    if same:
        backup = median(backup for backup, _ in same)
        restore = median(restore for _, restore in same)
        return Expectation(backup, restore, len(same), of_this_source=True)
    others = [
        (*_durations(job), COURSE_WEIGHT + (job.source_activities or 0))
        for job in whole.filter(source_activities__isnull=False)[:COPIES_OF_ALL]
    ]
    if activities is None or len(others) < COPIES_NEEDED:
        return None
    size = COURSE_WEIGHT + activities
    return Expectation(
        size * median(backup / weight for backup, _, weight in others),
        size * median(restore / weight for _, restore, weight in others),
        len(others),
        of_this_source=False,
    )


def _durations(job: DuplicationJob) -> tuple[float, float]:
    """Seconds of backup and restore; a copy too quick for its restore to be seen counts half and half (measured)."""
    if job.sent_at is None or job.finished_at is None:
        raise ValueError(f"Job {job.pk} has no whole history.")
    total = (job.finished_at - job.sent_at).total_seconds()
    backup = (job.restore_at - job.sent_at).total_seconds() if job.restore_at else total / 2
    return max(0.0, backup), max(0.0, total - backup)


def progress(job: DuplicationJob, now: datetime | None = None) -> Progress:
    """The progress of a job at a moment; of a finished one, how it ended."""
    now = now or timezone.now()
    if job.state == State.SUCCEEDED:
        return Progress(Phase.RESTORE, 1.0, 1.0, 1.0, False, None, 1.0)
    if job.driver == "asynchronous" and job.sent_at is not None:
        return _reported(job)
    if job.is_terminal or job.state == State.UNRESOLVED or job.sent_at is None:
        return _standing(job)
    if job.expected_backup is None or job.expected_restore is None:
        return _unknown(job)
    return _estimate(job, job.expected_backup, job.expected_restore, now)


def milestone(job: DuplicationJob, backup_share: float = 0.5) -> float:
    """The overall progress that has been proven: by seeing the course, by seeing its contents."""
    if job.content_at is not None:
        return backup_share + (1 - backup_share) * CONTENT_VISIBLE
    return backup_share if job.seen_at is not None else 0.0


def _standing(job: DuplicationJob) -> Progress:
    """Not going on: waiting, or ended without success. Nothing is estimated."""
    number = max(job.progress_floor, milestone(job))
    backup = 1.0 if job.restore_at is not None else 0.0
    return Progress(job.phase, backup, 0.0 if job.content_at is None else CONTENT_VISIBLE, number, False, None, number)


def _unknown(job: DuplicationJob) -> Progress:
    number = max(job.progress_floor, milestone(job))
    if job.phase == Phase.RESTORE:
        return Progress(job.phase, 1.0, None, None, False, None, number)
    return Progress(job.phase, None, 0.0, None, False, None, number)


def _estimate(job: DuplicationJob, expected_backup: float, expected_restore: float, now: datetime) -> Progress:
    sent_at = job.sent_at or now
    total = max(expected_backup + expected_restore, 0.001)
    # Neither phase is ever all of it, so that a bar has room for both.
    share = min(0.9, max(0.1, expected_backup / total))
    if job.restore_at is None:
        backup, restore = _fraction(now - sent_at, expected_backup), 0.0
        left = max(0.0, expected_backup - (now - sent_at).total_seconds()) + expected_restore
    else:
        backup, restore = 1.0, _fraction(now - job.restore_at, expected_restore)
        if job.content_at is not None:
            restore = max(restore, CONTENT_VISIBLE)
        left = max(0.0, expected_restore - (now - job.restore_at).total_seconds())
    number = max(job.progress_floor, share * backup + (1 - share) * restore)
    # Overdue: how much longer is not known, and not claimed.
    time_left = timedelta(seconds=left) if left > 0 and job.state == State.RUNNING else None
    return Progress(job.phase, backup, restore, number, True, time_left, number)


def _fraction(elapsed: timedelta, expected: float) -> float:
    """How far a phase should be; after the expected time it stands still below its end."""
    return min(ESTIMATE_ENDS, max(0.0, elapsed.total_seconds()) / max(expected, 0.001))


def _reported(job: DuplicationJob) -> Progress:
    """The figures of a site that reports them itself, already made one that never goes backward."""
    number = job.progress_floor
    backup = min(1.0, number * 2) if job.phase != Phase.RESTORE else 1.0
    restore = max(0.0, number * 2 - 1) if job.phase == Phase.RESTORE else 0.0
    return Progress(job.phase, backup, restore, number, False, None, number)


def overall_of_report(phase: int, status: int, figure: float, *, of_the_whole: bool) -> float:
    """One overall figure from what a site reports of a copy it works on by itself.

    Another dupdash reports the whole duplication. A plugin passes on Moodle's own figures, which start again in the
    second phase and jump to 1 and back while it prepares (measured): only while a phase executes (status 800)
    does its figure say anything, and a 1 there is left over from the phase before.
    """
    figure = min(1.0, max(0.0, figure)) if figure == figure else 0.0
    if of_the_whole:
        return figure if figure < 1 else ESTIMATE_ENDS
    within = figure if status == EXECUTING and figure < 1 else 0.0
    return (phase == RESTORE_PHASE) / 2 + within / 2
