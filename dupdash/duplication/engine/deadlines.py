"""Computes how long a job is checked in Moodle, and how long its course must not change before it counts as partial.

Both times depend on earlier copies and on the pace of this copy, because Moodle is slower under load.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.progress import expected_from_history

# Seconds. Moodle limits a backup to an hour, and a restore to an hour.
COPY_LONGEST = 7200.0


def unchanged_limit(job: DuplicationJob) -> float:
    """Return the seconds without a change after which a course counts as partial.

    They are at least the expected duration of the whole copy.
    """
    expected = expected_from_history(job)
    least = settings.CHECK_LIMIT_UNKNOWN / 3 if expected is None else expected.total
    return float(max(settings.CHECK_STILL_LEAST, least, _projected_duration(job)))


def checking_deadline(job: DuplicationJob) -> datetime:
    """Return the time at which checking ends if it has found no result.

    From then on, dupdash no longer trusts a report of the site that the copy is running. The time for which the site
    was down extends the deadline.
    """
    seconds = max(_checking_limit(job), 3 * _projected_duration(job))
    since = job.checking_since or job.sent_at or timezone.now()
    return since + timedelta(seconds=seconds + job.paused_seconds)


def deletion_deadline(job: DuplicationJob) -> datetime:
    """Return the time until which a deletion that failed for a temporary reason is tried again."""
    return (job.content_at or timezone.now()) + timedelta(seconds=_checking_limit(job))


def _checking_limit(job: DuplicationJob) -> float:
    expected = expected_from_history(job)
    limit = settings.CHECK_LIMIT_UNKNOWN if expected is None else max(settings.CHECK_LIMIT_LEAST, 3 * expected.total)
    return float(limit)


def _projected_duration(job: DuplicationJob) -> float:
    """Return the seconds that this copy will probably take: twice the time from sending until its restore was seen.

    Returns 0 if no restore was seen. At most COPY_LONGEST, because the restore may have been seen late.
    """
    if job.sent_at is None or job.restore_at is None:
        return 0.0
    return min(2 * (job.restore_at - job.sent_at).total_seconds(), COPY_LONGEST)
