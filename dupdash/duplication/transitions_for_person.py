"""Changes a job on behalf of a person. If a change is not possible, the error has a message for that person."""

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, record_event

CHANGED_MEANWHILE = "This job changed at the same moment. Check it, and try again if that is still needed."


class CannotDo(Exception):
    """The action is not possible in the current state of the job. The message is a sentence for people."""


def move_for_person(job: DuplicationJob, to_state: State, *, expected: tuple[State, ...], **rest: object) -> None:
    """Change the state of a job. Raises CannotDo if the job is not in an expected state or changed in the meantime.

    ``rest``: the further arguments of ``move_job``.
    """
    if job.state not in expected:
        raise CannotDo(f"This job is {job.get_state_display().lower()} now.")
    try:
        move_job(job, to_state, **rest)  # type: ignore[arg-type]
    except StaleJob:
        raise CannotDo(CHANGED_MEANWHILE) from None


def record_for_person(job: DuplicationJob, **rest: object) -> None:
    """Record an event of a job. Raises CannotDo if the job has changed in the meantime.

    ``rest``: the further arguments of ``record_event``.
    """
    try:
        record_event(job, **rest)  # type: ignore[arg-type]
    except StaleJob:
        raise CannotDo(CHANGED_MEANWHILE) from None
