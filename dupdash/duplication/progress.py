"""Phase, status, overall progress and time left of a job: what was seen in Moodle, and estimates between.

An estimate says that it is one, and a rough one says that it is rough; unknown is unknown (rule 5). Every figure is a
function of the times in the job's row and of now, grows with now, and so never goes backward.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from dupdash.duplication.expectation import Expectation, rough_expectation
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.states import State
from dupdash.moodle.options import abilities

# An estimate stops here until the next milestone is seen: it must not say "done".
ESTIMATE_ENDS = 0.95
# Contents become visible near the end of the restore (35.7 of 39.3 s in the measured copy).
CONTENT_VISIBLE = 0.8
# The uncertainty of a rough duration: the standard deviation of its natural logarithm.
ROUGH_SPREAD = 0.6
# How far into the restore the whole is shown at most while no restore is seen.
UNSEEN_RESTORE = 0.7
# How much the pace of copies varies (the standard deviation of its logarithm), and by how many seconds the time varies
# at which a restore is seen.
PACE_SPREAD = 0.3
SEEN_LATE = 0.4
# Bounds of the pace of a copy's own backup, compared with the expected one.
PACE_LEAST, PACE_MOST = 0.2, 20.0
# The least progress that tells the pace of a copy.
PACE_TOLD = 0.05
# The proposed service's number for restore, and Moodle's code backup::STATUS_EXECUTING.
RESTORE_PHASE = 2
EXECUTING = 800


@dataclass(frozen=True)
class Progress:
    """What a page or a program may show. None: unknown."""

    phase: str
    backup: float | None
    restore: float | None
    overall: float | None
    # True where a figure is an estimate rather than something seen.
    estimated: bool
    time_left: timedelta | None
    # For programs that need a number: never None, never backward; the last proven milestone where unknown.
    number: float
    # True where the estimate rests on the number of activities alone, because no copy was made before.
    rough: bool = False


def progress(job: DuplicationJob, now: datetime | None = None) -> Progress:
    """The progress of a job at a moment; of a finished one, how it ended."""
    now = now or timezone.now()
    if job.state == State.SUCCEEDED:
        return Progress(Phase.RESTORE, 1.0, 1.0, 1.0, False, None, 1.0)
    if abilities(job.driver).works_by_itself and job.sent_at is not None:
        return _reported(job, now)
    if job.is_terminal or job.state == State.UNRESOLVED or job.sent_at is None:
        return _standing(job)
    expected = _expected(job)
    return _unknown(job) if expected is None else _estimate(job, expected, now)


def _expected(job: DuplicationJob) -> Expectation | None:
    if job.expected_backup is None or job.expected_restore is None:
        return rough_expectation(job.source_activities)
    return Expectation(job.expected_backup, job.expected_restore, 1, of_this_source=False)


def milestone(job: DuplicationJob, backup_share: float = 0.5) -> float:
    """The overall progress that has been proven: by seeing the course, by seeing its contents."""
    if job.content_at is not None:
        return backup_share + (1 - backup_share) * CONTENT_VISIBLE
    return backup_share if job.restore_at is not None else 0.0


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


def _estimate(job: DuplicationJob, expected: Expectation, now: datetime) -> Progress:
    """The whole follows the time that all of it should take; a restore that was seen moves it on, and sets its pace."""
    elapsed = (now - (job.sent_at or now)).total_seconds()
    if job.restore_at is None:
        backup = _fraction(elapsed, expected.backup, rough=expected.rough)
        # Later than expected the restore may have begun unseen: whether it has is not known.
        restore = 0.0 if elapsed <= expected.backup else None
        overall = _before_restore(elapsed, expected)
        left = expected.total - elapsed
    else:
        own_backup = (job.restore_at - (job.sent_at or job.restore_at)).total_seconds()
        begun = max(_backup_share(expected), _before_restore(own_backup, expected))
        # Where the restore was seen late, as much of it is done as the bar shows beyond the backup.
        expected_restore = (
            expected.restore * _own_pace(own_backup, expected.backup) * (1 - begun) / (1 - _backup_share(expected))
        )
        since = elapsed - own_backup
        backup, restore = 1.0, _fraction(since, expected_restore, rough=expected.rough)
        if job.content_at is not None:
            restore = max(restore, CONTENT_VISIBLE)
        overall = begun + (1 - begun) * restore
        left = expected_restore - since
    number = max(job.progress_floor, overall)
    # Overdue: how much longer is not known, and not claimed. Nor is it by a rough figure.
    known = left > 0 and job.state == State.RUNNING and not expected.rough
    time_left = timedelta(seconds=left) if known else None
    return Progress(job.phase, backup, restore, number, True, time_left, number, expected.rough)


def _backup_share(expected: Expectation) -> float:
    """The share of backup in the whole. Neither phase is ever all of it, so that a bar has room for both."""
    return min(0.9, max(0.1, expected.backup / max(expected.total, 0.001)))


def _before_restore(elapsed: float, expected: Expectation) -> float:
    """The overall progress while no restore is seen: some way into the restore at most."""
    share = _backup_share(expected)
    return min(share + (1 - share) * UNSEEN_RESTORE, _fraction(elapsed, expected.total, rough=expected.rough))


def _own_pace(own_backup: float, expected: float) -> float:
    """How much slower than expected this copy is: its restore meets the same Moodle as its backup did.

    A short backup says little, because its end is seen late by a varying time; so it is believed by its precision.
    """
    own, usual = max(0.001, own_backup), max(0.001, expected)
    belief = PACE_SPREAD**2 / (PACE_SPREAD**2 + (SEEN_LATE / usual) ** 2)
    return min(PACE_MOST, max(PACE_LEAST, math.pow(own / usual, belief)))


def _fraction(elapsed: float, expected: float, *, rough: bool) -> float:
    """How far it should be, below its end: after the expected time it stands still, or goes on ever more slowly where
    that time is only rough."""
    share = max(0.0, elapsed) / max(expected, 0.001)
    return min(ESTIMATE_ENDS, _mean_share(share, ROUGH_SPREAD) if rough else share)


def _mean_share(share: float, spread: float) -> float:
    """The mean of elapsed / duration over the durations that are still possible.

    The duration is taken as log-normal around the expected one, ``share`` is elapsed / expected.
    """
    if share <= 0:
        return 0.0
    distance = -math.log(share) / spread
    still_possible = _normal(distance)
    if still_possible < 1e-9:
        return ESTIMATE_ENDS
    return share * math.exp(spread**2 / 2) * _normal(distance - spread) / still_possible


def _normal(distance: float) -> float:
    """The share of a normal distribution below so many standard deviations."""
    return math.erfc(-distance / math.sqrt(2)) / 2


def _reported(job: DuplicationJob, now: datetime) -> Progress:
    """The figures of a site that reports them itself, already made one that never goes backward."""
    number, share = job.progress_floor, backup_share(job)
    backup = min(1.0, number / share) if job.phase != Phase.RESTORE else 1.0
    restore = max(0.0, (number - share) / (1 - share)) if job.phase == Phase.RESTORE else 0.0
    return Progress(job.phase, backup, restore, number, False, _time_left_of_report(job, now), number)


def backup_share(job: DuplicationJob) -> float:
    """The share of backup in the whole, by earlier copies; half of it without history."""
    if job.expected_backup is None or job.expected_restore is None:
        return 0.5
    return _backup_share(Expectation(job.expected_backup, job.expected_restore, 1, of_this_source=False))


def _time_left_of_report(job: DuplicationJob, now: datetime) -> timedelta | None:
    """At the pace of this copy so far; not before the site has reported enough to tell a pace."""
    started, done = job.moodle_started_at, job.progress_floor
    if job.state != State.RUNNING or started is None or done < PACE_TOLD or not abilities(job.driver).of_the_whole:
        return None
    return (now - started) * ((1 - done) / done)


def overall_of_report(phase: int, status: int, figure: float, *, of_the_whole: bool, share: float = 0.5) -> float:
    """One overall figure from what a site reports of a copy it works on by itself.

    The plugin and another dupdash report the whole duplication. The services as proposed may pass on Moodle's own
    figures, which start again in the second phase and jump to 1 and back while it prepares (measured): only while a
    phase executes (status 800) does its figure say anything, and a 1 there is left over from the phase before.
    ``share``: of the backup in the whole, for a site that reports each phase.
    """
    figure = min(1.0, max(0.0, figure)) if figure == figure else 0.0
    if of_the_whole:
        return figure if figure < 1 else ESTIMATE_ENDS
    within = figure if status == EXECUTING and figure < 1 else 0.0
    return share + (1 - share) * within if phase == RESTORE_PHASE else share * within
