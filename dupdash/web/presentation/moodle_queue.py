"""Describes how a copy waits in Moodle's own queue: its place, for how long, and whether Moodle's cron runs."""

from datetime import datetime, timedelta

from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.quantities import counted
from dupdash.web.presentation.durations import roughly

# Moodle's cron should run every minute. After this long without a run it counts as stopped.
CRON_LATE = timedelta(minutes=3)


def waits_in_moodle(job: DuplicationJob, health: MoodleHealth) -> str:
    """Describe the place of the copy in Moodle's queue; "" for a copy that does not wait there."""
    if job.moodle_queue_ahead is None:
        return ""
    now = timezone.now()
    ahead = job.moodle_queue_ahead
    place = "as the next task" if ahead == 0 else f"behind {counted(ahead, 'task')}"
    waits = "Waits in Moodle’s queue"
    if job.sent_at and now - job.sent_at > timedelta(minutes=1):
        waits = f"Has been waiting in Moodle’s queue for {roughly(now - job.sent_at)}"
    return f"{waits}, {place}. {why_nothing_moves(health, now)}".rstrip()


def why_nothing_moves(health: MoodleHealth, now: datetime) -> str:
    """Explain that Moodle's cron does not run; "" if it ran lately."""
    ran = health.cron_run_at
    if ran is None:
        return "Moodle’s cron has not run yet. Copies start when it runs."
    if now - ran < CRON_LATE:
        return ""
    return (
        f"Moodle’s cron last ran {roughly(now - ran)} ago. Copies begin when it runs again: whoever looks after the "
        "Moodle server has to start it."
    )
