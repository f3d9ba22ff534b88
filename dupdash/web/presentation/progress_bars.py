"""The progress of a job as bars: unknown is shown as unknown, an estimate as an estimate."""

from dataclasses import dataclass
from datetime import timedelta
from math import floor

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import Progress, progress
from dupdash.duplication.states import State
from dupdash.web.presentation.check_status import next_look
from dupdash.web.presentation.durations import exactly, roughly

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
# Neither going on nor ended, as far as anybody knows: "Unknown", and nothing moves.
STILL = "still"


@dataclass(frozen=True)
class Bar:
    """One bar of the component ``_bar.html``; ``percent`` None is unknown."""

    label: str
    percent: int | None
    estimate: bool
    state: str
    note: str = ""
    # An estimate from the number of activities alone.
    rough: bool = False


def bars(job: DuplicationJob, reached: Progress | None = None) -> tuple[Bar, tuple[Bar, Bar]]:
    """The bar of the whole, and those of backup and restore."""
    reached = reached or progress(job)
    return overall_bar(job, reached), (_backup_bar(job, reached), _restore_bar(job, reached))


def overall_bar(job: DuplicationJob, reached: Progress | None = None) -> Bar:
    reached = reached or progress(job)
    state = _state(job)
    percent = None if state == STILL else _percent(reached.overall, done=state == DONE)
    estimate = reached.estimated and state == RUNNING
    return Bar("The whole copy", percent, estimate, state, _note(job, reached, state), estimate and reached.rough)


def _backup_bar(job: DuplicationJob, reached: Progress) -> Bar:
    state = _state(job)
    if state != WAITING and (state == DONE or reached.backup == 1.0):
        took = job.restore_at - job.sent_at if job.restore_at and job.sent_at else None
        return Bar("Backup", 100, False, DONE, _took(took))
    return _phase_bar("Backup", reached.backup, reached, state)


def _restore_bar(job: DuplicationJob, reached: Progress) -> Bar:
    state = _state(job)
    if state == DONE:
        took = job.finished_at - job.restore_at if job.finished_at and job.restore_at else None
        return Bar("Restore", 100, False, DONE, _took(took))
    if job.restore_at is None and reached.phase != Phase.RESTORE:
        if job.state in (State.CHECKING, State.UNRESOLVED) or (state == RUNNING and reached.restore is None):
            # It is overdue, or nobody watches it closely any more: it may have begun unseen.
            return Bar("Restore", None, False, STILL)
        return Bar("Restore", 0, False, WAITING)
    return _phase_bar("Restore", reached.restore, reached, state)


def _phase_bar(label: str, value: float | None, reached: Progress, state: str) -> Bar:
    if state == STILL:
        return Bar(label, None, False, STILL)
    if state == FAILED:
        # How far Moodle had come within a phase when it stopped, nobody knows.
        return Bar(label, None, False, FAILED)
    estimate = reached.estimated and state == RUNNING
    return Bar(label, _percent(value), estimate, state, rough=estimate and reached.rough)


def _state(job: DuplicationJob) -> str:
    if job.state == State.SUCCEEDED:
        return DONE
    if job.sent_at is None:
        # An ended job of which nothing was ever sent has not been stopped on its way: it never set out.
        return RUNNING if job.state == State.RUNNING else WAITING
    if job.state == State.UNRESOLVED:
        return STILL
    return FAILED if job.is_terminal else RUNNING


def _percent(value: float | None, *, done: bool = False) -> int | None:
    if value is None:
        return None
    # 100 is kept for what is done.
    return 100 if done else min(99, floor(value * 100))


def _note(job: DuplicationJob, reached: Progress, state: str) -> str:
    if job.state in (State.CHECKING, State.UNRESOLVED):
        return next_look(job)
    if state != RUNNING or job.sent_at is None:
        return ""
    if reached.time_left is not None:
        return f"{roughly(reached.time_left)} left, by earlier copies"
    if reached.rough:
        return "Rough estimate from the number of activities"
    if reached.estimated:
        return "Takes longer than earlier copies did"
    if job.driver == "asynchronous":
        return "As the site reports it"
    return "No earlier copies to estimate from"


def _took(length: timedelta | None) -> str:
    return f"took {exactly(length)}" if length is not None else ""
