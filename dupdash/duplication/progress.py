"""Computes the progress and the time left of a job, from milestones that were seen in Moodle and from estimates.

Progress never goes backward (rule 5): every figure depends only on the times in the job's row and on the current time,
and grows with the current time. Estimates and rough estimates are marked as such. A figure that is unknown is None.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from dupdash.duplication.expectation import Expectation, rough_expectation
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.states import State
from dupdash.moodle.driver_abilities import abilities
from dupdash.moodle.records import EXECUTING, RESTORE_PHASE

# An estimate stops here until the next milestone is seen, because only a milestone shows that a phase is done.
ESTIMATE_ENDS = 0.95
# Contents become visible near the end of the restore (35.7 of 39.3 s in the measured copy).
CONTENT_VISIBLE = 0.8
# The uncertainty of a rough duration: the standard deviation of its natural logarithm.
ROUGH_SPREAD = 0.6
# The largest share of the restore that the overall progress may include before the restore was seen.
UNSEEN_RESTORE = 0.7
# How much the pace of copies varies (standard deviation of its logarithm), and how much the delay varies with which a
# restore is seen (seconds).
PACE_SPREAD = 0.3
SEEN_LATE = 0.4
# Bounds for the duration of a copy's backup, relative to the expected one.
PACE_LEAST, PACE_MOST = 0.2, 20.0
# The time left is computed only from this progress on.
PACE_KNOWN_FROM = 0.05
# The bar keeps moving for at most this many seconds after a report. A site reports every 1 to 2 seconds, and rarely
# during long steps.
REPORT_CURRENT = 3.0
# How much the duration of earlier copies counts in addition to the pace of this copy, as a share of its progress.
HISTORY_WEIGHT = 0.1


@dataclass(frozen=True)
class Progress:
    """The progress of a job, as pages and web services show it. A figure that is unknown is None."""

    phase: str
    backup: float | None
    restore: float | None
    overall: float | None
    # True if a figure is an estimate, not something that was seen in Moodle.
    estimated: bool
    time_left: timedelta | None
    # For programs that need a number: never None, never backward. The last milestone if the progress is unknown.
    number: float
    # True if the estimate comes from the number of activities alone, because no copy was made before.
    rough: bool = False


def progress(job: DuplicationJob, now: datetime | None = None) -> Progress:
    """Return the progress of a job at the time ``now``; for a job that has ended, at its end."""
    now = now or timezone.now()
    if job.state == State.SUCCEEDED:
        return Progress(Phase.RESTORE, 1.0, 1.0, 1.0, False, None, 1.0)
    if abilities(job.driver).runs_in_background and job.sent_at is not None:
        return _reported(job, now)
    if job.is_terminal or job.state == State.UNRESOLVED or job.sent_at is None:
        return _not_running(job)
    expected = expected_from_history(job) or rough_expectation(job.source_activities)
    return _unknown(job) if expected is None else _estimate(job, expected, now)


def expected_from_history(job: DuplicationJob) -> Expectation | None:
    """Return the estimate that was stored when the job was sent; None if there were no earlier copies then."""
    if job.expected_backup is None or job.expected_restore is None:
        return None
    return Expectation(job.expected_backup, job.expected_restore, 1, of_this_source=False)


def milestone(job: DuplicationJob) -> float:
    """Return the overall progress at the last milestone: when the course was seen, or when its contents were seen."""
    if job.content_at is not None:
        return 0.5 + 0.5 * CONTENT_VISIBLE
    return 0.5 if job.restore_at is not None else 0.0


def _not_running(job: DuplicationJob) -> Progress:
    """Return the progress of a job that waits, or that ended without success. It contains no estimate."""
    number = max(job.progress_floor, milestone(job))
    backup = 1.0 if job.restore_at is not None else 0.0
    return Progress(job.phase, backup, 0.0 if job.content_at is None else CONTENT_VISIBLE, number, False, None, number)


def _unknown(job: DuplicationJob) -> Progress:
    number = max(job.progress_floor, milestone(job))
    if job.phase == Phase.RESTORE:
        return Progress(job.phase, 1.0, None, None, False, None, number)
    return Progress(job.phase, None, 0.0, None, False, None, number)


def _estimate(job: DuplicationJob, expected: Expectation, now: datetime) -> Progress:
    """Return the estimate from the elapsed time and the expected duration. It is corrected when the restore is seen."""
    elapsed = (now - (job.sent_at or now)).total_seconds()
    if job.restore_at is None:
        backup = _fraction(elapsed, expected.backup, rough=expected.rough)
        # After the expected end of the backup, a restore may run that was not seen yet.
        restore = 0.0 if elapsed <= expected.backup else None
        overall = _before_restore(elapsed, expected)
        left = expected.total - elapsed
    else:
        own_backup = (job.restore_at - (job.sent_at or job.restore_at)).total_seconds()
        begun = max(_backup_share(expected), _before_restore(own_backup, expected))
        # If the restore was seen late, the progress shown beyond the backup counts as done.
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
    # The time left of an overdue copy is unknown. A rough estimate does not give one, either.
    known = left > 0 and job.state == State.RUNNING and not expected.rough
    time_left = timedelta(seconds=left) if known else None
    return Progress(job.phase, backup, restore, number, True, time_left, number, expected.rough)


def _backup_share(expected: Expectation) -> float:
    """Return the backup's share of the overall progress: 0.1 to 0.9, so that a bar has room for both phases."""
    return min(0.9, max(0.1, expected.backup / max(expected.total, 0.001)))


def _before_restore(elapsed: float, expected: Expectation) -> float:
    """Return the overall progress while no restore was seen.

    The restore may have begun unseen, so the progress may include at most UNSEEN_RESTORE of it.
    """
    share = _backup_share(expected)
    return min(share + (1 - share) * UNSEEN_RESTORE, _fraction(elapsed, expected.total, rough=expected.rough))


def _own_pace(own_backup: float, expected: float) -> float:
    """Return the factor by which this copy is slower than expected, from the duration of its backup.

    Both phases run on the same Moodle, so the factor applies to the restore, too. The end of a backup is seen with a
    varying delay, so a short backup counts less than a long one.
    """
    own, usual = max(0.001, own_backup), max(0.001, expected)
    weight = PACE_SPREAD**2 / (PACE_SPREAD**2 + (SEEN_LATE / usual) ** 2)
    return min(PACE_MOST, max(PACE_LEAST, math.pow(own / usual, weight)))


def _fraction(elapsed: float, expected: float, *, rough: bool) -> float:
    """Return the expected progress of a phase, at most ESTIMATE_ENDS.

    After the expected time the progress stops. With a rough estimate it slows down instead.
    """
    share = max(0.0, elapsed) / max(expected, 0.001)
    return min(ESTIMATE_ENDS, _mean_share(share, ROUGH_SPREAD) if rough else share)


def _mean_share(share: float, spread: float) -> float:
    """Return the mean of elapsed / duration over all durations that are still possible.

    Durations are assumed to be log-normal around the expected one. ``share``: elapsed / expected.
    """
    if share <= 0:
        return 0.0
    distance = -math.log(share) / spread
    still_possible = _normal(distance)
    if still_possible < 1e-9:
        return ESTIMATE_ENDS
    return share * math.exp(spread**2 / 2) * _normal(distance - spread) / still_possible


def _normal(distance: float) -> float:
    """Return the share of a normal distribution below a number of standard deviations."""
    return math.erfc(-distance / math.sqrt(2)) / 2


def _reported(job: DuplicationJob, now: datetime) -> Progress:
    """Return the progress that the site reported. ``progress_floor`` keeps it from going backward."""
    left = _seconds_left_at_report(job)
    since = 0.0 if job.reported_at is None else max(0.0, (now - job.reported_at).total_seconds())
    number, share = _since_report(job, since, left), backup_share(job)
    backup = min(1.0, number / share) if job.phase != Phase.RESTORE else 1.0
    restore = max(0.0, (number - share) / (1 - share)) if job.phase == Phase.RESTORE else 0.0
    time_left = None
    if left is not None and left > since and job.reported_progress >= PACE_KNOWN_FROM:
        time_left = timedelta(seconds=left - since)
    return Progress(job.phase, backup, restore, number, False, time_left, number)


def _since_report(job: DuplicationJob, since: float, left: float | None) -> float:
    """Return the overall progress. Between two reports it grows at the pace of the copy.

    It stops growing before the next phase, and REPORT_CURRENT seconds after the last report. ``since``: seconds since
    the last report. ``left``: the seconds that the copy still needed then; None if unknown.
    """
    if left is None:
        return job.progress_floor
    done = job.reported_progress
    most = ESTIMATE_ENDS if job.phase == Phase.RESTORE else backup_share(job)
    return max(job.progress_floor, min(most, done + (1 - done) * min(since, REPORT_CURRENT) / max(left, 0.001)))


def backup_share(job: DuplicationJob) -> float:
    """Return the backup's share of the overall progress, from earlier copies; 0.5 without any."""
    expected = expected_from_history(job)
    return 0.5 if expected is None else _backup_share(expected)


def _seconds_left_at_report(job: DuplicationJob) -> float | None:
    """Return the seconds that the copy still needed at the last report, from its own pace and that of earlier copies.

    Returns None if neither pace is known. Also None for a site that reports each phase separately, because its figure
    starts again in the second phase.
    """
    started, reported_at, done = job.moodle_started_at, job.reported_at, job.reported_progress
    if (
        job.state != State.RUNNING
        or started is None
        or reported_at is None
        or not abilities(job.driver).reports_overall_progress
    ):
        return None
    elapsed, expected = (reported_at - started).total_seconds(), expected_from_history(job)
    if expected is None:
        return elapsed * (1 - done) / done if done >= PACE_KNOWN_FROM else None
    # The weighted mean of the expected duration (HISTORY_WEIGHT) and of the duration at its own pace (``done``).
    return (HISTORY_WEIGHT * expected.total + elapsed) / (HISTORY_WEIGHT + done) * (1 - done)


def start_before_report(job: DuplicationJob, done: float, now: datetime) -> datetime:
    """Return when Moodle probably started a copy whose first report arrived at ``now``.

    ``done``: the share of the copy that was done in this report.
    """
    sent, expected = job.sent_at or now, expected_from_history(job)
    if expected is not None:
        return max(sent, now - timedelta(seconds=done * expected.total))
    # A copy that no report showed in Moodle's queue was started soon after the request.
    return sent if job.moodle_queue_ahead is None else now


def overall_of_report(
    phase: int, status: int, figure: float, *, reports_overall_progress: bool, share: float = 0.5
) -> float:
    """Return the overall progress, from a report of a site that makes copies in the background.

    The plugin and dupdash's own web services report the overall progress. A site with only the two proposed functions
    may report Moodle's own progress of each phase. That figure starts again in the second phase, and jumps to 1 and
    back while a phase is prepared (measured). So it counts only while a phase executes (status 800), and a 1 is
    ignored, because it is left over from the phase before. ``share``: the backup's share of the overall progress, for a
    site that reports each phase.
    """
    figure = min(1.0, max(0.0, figure)) if figure == figure else 0.0
    if reports_overall_progress:
        return figure if figure < 1 else ESTIMATE_ENDS
    within = figure if status == EXECUTING and figure < 1 else 0.0
    return share + (1 - share) * within if phase == RESTORE_PHASE else share * within
