"""The actions on requests that need approval: approve, edit and approve, undo an approval, refuse."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.idempotency import CHANGEABLE, to_event
from dupdash.duplication.jobs import short_name_error
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch
from dupdash.duplication.request import DuplicationRequest
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo, move_for_person


def approve(job: DuplicationJob, *, actor: User | None, hold: timedelta | None = None) -> None:
    """Approve a job. With ``hold``, it does not start before this time has passed.

    Until then, the approval can be undone. Raises NotAllowed, and CannotDo if the job does not wait for approval.
    """
    access.require(actor, Action.APPROVE, job)
    move_for_person(
        job,
        State.QUEUED,
        expected=(State.AWAITING_APPROVAL,),
        kind="approved",
        reason="Approved.",
        actor=actor,
        queued_at=timezone.now(),
        undo_until=timezone.now() + hold if hold else None,
    )
    dispatch.dispatch()


def undo_approval(job: DuplicationJob, *, actor: User | None) -> None:
    """Make an approved job wait for approval again. Raises NotAllowed, and CannotDo if ``undo_until`` has passed."""
    access.require(actor, Action.APPROVE, job)
    if job.undo_until is None or job.undo_until <= timezone.now():
        raise CannotDo("It is too late to undo this approval. If the copy has not ended, you can cancel it.")
    move_for_person(
        job,
        State.AWAITING_APPROVAL,
        expected=(State.QUEUED,),
        kind="approval_undone",
        guard={"undo_until__gt": timezone.now(), "dispatched_at": None},
        reason="The approval was undone.",
        actor=actor,
        queued_at=None,
        undo_until=None,
    )


def edit_and_approve(job: DuplicationJob, request: DuplicationRequest, *, actor: User | None) -> bool:
    """Change the request of a job and approve it. Returns whether the new request differs from the old one.

    Raises NotAllowed, CannotDo, and InvalidRequest if another unfinished job has the short name.
    """
    access.require(actor, Action.APPROVE, job)
    changes = {name: getattr(request, name) for name in CHANGEABLE}
    before = {name: getattr(job, name) for name in changes}
    changed = [name for name, value in changes.items() if name != "category_name" and before[name] != value]
    labels = ", ".join(CHANGEABLE[name] for name in changed)
    try:
        with transaction.atomic():
            move_for_person(
                job,
                State.QUEUED,
                expected=(State.AWAITING_APPROVAL,),
                kind="approved",
                reason=f"Approved, with changes to: {labels}." if changed else "Approved.",
                actor=actor,
                data={"before": {name: to_event(before[name]) for name in changed}},
                queued_at=timezone.now(),
                **changes,
            )
    except IntegrityError:
        raise short_name_error(request.shortname) from None
    dispatch.dispatch()
    return bool(changed)


def reject(job: DuplicationJob, *, reason: str, actor: User | None) -> None:
    """Refuse the request of a job that needs approval. Raises NotAllowed, and CannotDo, also without a reason."""
    access.require(actor, Action.REJECT, job)
    if not reason.strip():
        raise CannotDo("Enter a reason for the requester.")
    move_for_person(
        job,
        State.REJECTED,
        expected=(State.AWAITING_APPROVAL,),
        kind="rejected",
        reason=reason.strip(),
        actor=actor,
    )
