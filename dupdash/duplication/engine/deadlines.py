"""How long a job whose answer was lost is checked, and how long its course must not change to count as partial.

Both follow from earlier copies and from the pace of this copy: a Moodle under load is slow.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob

# Seconds: Moodle allows itself an hour for a backup and an hour for a restore.
LONGEST_COPY = 7200.0


def unchanged_limit(job: DuplicationJob) -> float:
    """Seconds a partial course must stay unchanged: one whole duration, as expected or as slow as this copy shows."""
    expected = _expected(job)
    least = settings.CHECK_LIMIT_UNKNOWN / 3 if expected is None else expected
    return float(max(settings.CHECK_STILL_LEAST, least, _projected_duration(job)))


def checking_deadline(job: DuplicationJob) -> datetime:
    """When checking a job ends without a result, or when a site's own work on it is no longer believed in.

    The time for which the site could not be asked does not count.
    """
    seconds = max(_checking_limit(job), 3 * _projected_duration(job))
    since = job.checking_since or job.sent_at or timezone.now()
    return since + timedelta(seconds=seconds + job.paused_seconds)


def removal_deadline(job: DuplicationJob) -> datetime:
    """Until when a removal that fails in passing is tried again; however late the copy turned up."""
    return (job.content_at or timezone.now()) + timedelta(seconds=_checking_limit(job))


def _checking_limit(job: DuplicationJob) -> float:
    expected = _expected(job)
    return float(settings.CHECK_LIMIT_UNKNOWN if expected is None else max(settings.CHECK_LIMIT_LEAST, 3 * expected))


def _projected_duration(job: DuplicationJob) -> float:
    """Seconds that this very copy will take: its restore begins when half of the work is done.

    The last lookup before that may have been long ago, so the projection is limited to Moodle's own time limit.
    """
    if job.sent_at is None or job.restore_at is None:
        return 0.0
    return min(2 * (job.restore_at - job.sent_at).total_seconds(), LONGEST_COPY)


def _expected(job: DuplicationJob) -> float | None:
    if job.expected_backup is None or job.expected_restore is None:
        return None
    return job.expected_backup + job.expected_restore
