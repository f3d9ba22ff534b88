"""Shows the progress of a job as bars. Unknown figures and estimates are marked as such."""

from dataclasses import dataclass
from datetime import datetime
from math import floor

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import Progress, progress
from dupdash.duplication.states import TERMINAL, State
from dupdash.moodle.driver_abilities import abilities
from dupdash.web.presentation.check_status import next_check
from dupdash.web.presentation.durations import exactly, roughly

# The states of a bar that `_bar.html` can show.
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
# dupdash does not know whether the copy moves or has ended: the bar shows "Unknown", without animation.
UNKNOWN = "still"


@dataclass(frozen=True)
class Bar:
    """One bar of the component ``_bar.html``. ``percent`` is None if the progress is unknown."""

    label: str
    percent: int | None
    estimate: bool
    state: str
    note: str = ""
    # Whether the figure is estimated from the number of activities alone.
    rough: bool = False


@dataclass(frozen=True)
class Bars:
    # None if the overall progress is unknown, for example after a failure.
    overall: Bar | None
    phases: tuple[Bar, Bar]


def bars(job: DuplicationJob) -> Bars | None:
    """Return the bars of a job page, or None for a job that is unresolved or was not started."""
    if job.state == State.UNRESOLVED or (job.sent_at is None and job.state != State.RUNNING):
        return None
    reached = progress(job)
    overall = None if job.is_terminal and job.state != State.SUCCEEDED else overall_bar(job, reached)
    return Bars(overall, (_backup_bar(job, reached), _restore_bar(job, reached)))


def overall_bar(job: DuplicationJob, reached: Progress | None = None) -> Bar:
    """Return the bar for the whole copy of a job that runs, is checked or succeeded. Lists show only this bar."""
    reached = reached or progress(job)
    if job.state == State.CHECKING:
        # dupdash checks whether Moodle still works on the copy, so no figure is certain.
        return Bar("The whole copy", None, False, UNKNOWN, next_check(job))
    state = DONE if job.state == State.SUCCEEDED else RUNNING
    estimate = reached.estimated and state == RUNNING
    percent = _percent(reached.overall, done=state == DONE)
    return Bar("The whole copy", percent, estimate, state, _note(job, reached, state), estimate and reached.rough)


def _backup_bar(job: DuplicationJob, reached: Progress) -> Bar:
    if job.state == State.SUCCEEDED or job.restore_at is not None:
        # While the copy waits in Moodle's own queue, its backup has not begun.
        return Bar("Backup", 100, False, DONE, _took(job, job.moodle_started_at or job.sent_at, job.restore_at))
    if job.state == State.RUNNING and reached.backup == 1.0:
        return Bar("Backup", 100, False, DONE)
    if job.state == State.RUNNING and job.moodle_queue_ahead is not None:
        return Bar("Backup", 0, False, WAITING)
    return _phase_bar("Backup", reached.backup, job, reached)


def _restore_bar(job: DuplicationJob, reached: Progress) -> Bar:
    if job.state == State.SUCCEEDED:
        return Bar("Restore", 100, False, DONE, _took(job, job.restore_at, job.finished_at))
    if job.restore_at is None and reached.phase != Phase.RESTORE:
        if _may_have_begun_unseen(job, reached):
            return Bar("Restore", None, False, UNKNOWN)
        return Bar("Restore", 0, False, WAITING)
    return _phase_bar("Restore", reached.restore, job, reached)


def _may_have_begun_unseen(job: DuplicationJob, reached: Progress) -> bool:
    """Return whether the restore may have started although no lookup has shown the new course."""
    if job.state == State.CHECKING:
        return True
    return job.state == State.RUNNING and (reached.restore is None or reached.backup == 1.0)


def _phase_bar(label: str, value: float | None, job: DuplicationJob, reached: Progress) -> Bar:
    if job.state in TERMINAL:
        # dupdash does not know how far Moodle got within the phase in which it stopped.
        return Bar(label, None, False, FAILED)
    if job.state == State.CHECKING:
        return Bar(label, None, False, UNKNOWN)
    return Bar(label, _percent(value), reached.estimated, RUNNING, rough=reached.estimated and reached.rough)


def _percent(value: float | None, *, done: bool = False) -> int | None:
    if value is None:
        return None
    # Only a finished phase shows 100 %.
    return 100 if done else min(99, floor(value * 100))


def _note(job: DuplicationJob, reached: Progress, state: str) -> str:
    if state != RUNNING or job.sent_at is None:
        return ""
    if reached.time_left is not None:
        by = "at the pace so far" if abilities(job.driver).runs_in_background else "based on earlier copies"
        return f"{roughly(reached.time_left)} left, {by}"
    if reached.rough:
        return "Rough estimate from the number of activities"
    if reached.estimated:
        return "Takes longer than earlier copies"
    if abilities(job.driver).runs_in_background:
        return "As reported by Moodle"
    return "No earlier copies to estimate from"


def _took(job: DuplicationJob, began: datetime | None, ended: datetime | None) -> str:
    """Return how long a phase took; "" if its end is unknown, because only a check after a lost answer showed it."""
    if began is None or ended is None or (job.checking_since is not None and ended > job.checking_since):
        return ""
    return f"took {exactly(ended - began)}"
