"""The actions on failed jobs: assign a job to a person with a note, mark it as resolved, reopen it."""

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.person_names import name_of
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo, record_for_person

NOTE_LONGEST = 500


def assign(job: DuplicationJob, *, assignee: User | None, note: str, actor: User) -> None:
    """Assign a failed job to a person, or to nobody (None), with a note. Raises NotAllowed, CannotDo.

    Does nothing if the job already has this assignee and this note.
    """
    note = note.strip()
    if (job.assignee_id, job.assignee_note) == (assignee.pk if assignee else None, note):
        return
    _record(
        job,
        actor,
        kind="assigned",
        reason=f"Assigned to {name_of(assignee, 'nobody')}. {note}".rstrip(),
        assignee=assignee,
        assignee_note=note,
    )


def resolve(job: DuplicationJob, *, actor: User) -> None:
    """Mark a failed job as resolved: it no longer needs attention. Raises NotAllowed, CannotDo."""
    if job.resolved_at is None:
        _record(job, actor, kind="resolved", reason="Nothing more to do.", resolved_at=timezone.now())


def reopen(job: DuplicationJob, *, actor: User) -> None:
    """Undo ``resolve``: the failed job needs attention again. Raises NotAllowed, CannotDo."""
    if job.resolved_at is not None:
        _record(job, actor, kind="reopened", reason="The failure needs attention again.", resolved_at=None)


def _record(job: DuplicationJob, actor: User, *, kind: str, reason: str, **changes: object) -> None:
    access.require(actor, Action.FOLLOW_UP, job)
    if job.state != State.FAILED:
        raise CannotDo("Only a failed copy can be assigned or marked as resolved.")
    record_for_person(job, kind=kind, reason=reason, actor=actor, **changes)
