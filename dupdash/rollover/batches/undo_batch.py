"""Undoes a batch: checks which of its copies nobody uses, and deletes these copies after a confirmation."""

import logging
import time

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.engine.deletion import NotDeleted, delete_copy
from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, record_event
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent
from dupdash.rollover.batches.hide_sources import show_again
from dupdash.rollover.batches.progress import current_jobs
from dupdash.rollover.batches.unused_copies import Gone, Kept, require_unused
from dupdash.rollover.models import Undo, UndoItem, UndoState, Verdict

logger = logging.getLogger("dupdash.rollover")

ROWS_AT_ONCE = 400


def begin(batch: Batch, *, actor: User) -> Undo:
    """Begin to undo a batch: store its copies as items, which a worker then checks. Raises NotAllowed."""
    access.require_batch_manager(actor, batch)
    undo = Undo.objects.create(batch=batch, requester=actor)
    copies = (
        current_jobs(batch).filter(state=State.SUCCEEDED, course_deleted_at__isnull=True).order_by("batch_row", "pk")
    )
    UndoItem.objects.bulk_create(
        [UndoItem(undo=undo, job_id=pk) for pk in copies.values_list("pk", flat=True)], batch_size=ROWS_AT_ONCE
    )
    return undo


def confirm(undo: Undo, *, actor: User) -> bool:
    """Have a worker delete the copies that can be deleted. Raises NotAllowed.

    Returns False if the copies are still being checked, or if the undo was confirmed before.
    """
    access.require_batch_manager(actor, undo.batch)
    checked = Undo.objects.filter(pk=undo.pk, state=UndoState.CHECKED)
    return bool(checked.update(state=UndoState.DELETING, requester=actor, failure=""))


def continue_undo(undo: Undo, deadline: float) -> None:
    """Continue checking or deleting the copies until the deadline, a time of the monotonic clock.

    If Moodle cannot be reached, the undo stops: it becomes CHECKED, with a failure message.
    """
    following, wanted = {
        UndoState.CHECKING: (UndoState.CHECKED, Verdict.UNKNOWN),
        UndoState.DELETING: (UndoState.DONE, Verdict.DELETABLE),
    }[UndoState(undo.state)]
    failure = ""
    try:
        with open_client() as client:
            while (item := undo.items.filter(verdict=wanted).select_related("job").first()) is not None:
                if time.monotonic() > deadline:
                    return
                _check(item, client)
                if item.verdict == Verdict.DELETABLE and undo.state == UndoState.DELETING:
                    _delete(item, undo, client)
                item.save(update_fields=["verdict", "reason"])
    except (NotSent, ConfigurationFault) as error:
        logger.warning("the undo of batch %s stopped: %s", undo.batch_id, error)
        stopped = {
            UndoState.CHECKING: "not all copies were checked. To check them, undo the batch again later",
            UndoState.DELETING: "not all copies were deleted. To delete the others, confirm it again later",
        }[UndoState(undo.state)]
        following, failure = UndoState.CHECKED, f"dupdash could not use Moodle, so {stopped}. {error}"
    Undo.objects.filter(pk=undo.pk, state=undo.state).update(state=following, failure=failure)
    if following == UndoState.DONE:
        show_again(undo.batch)


def _check(item: UndoItem, client: MoodleClient) -> None:
    item.job.refresh_from_db()
    try:
        require_unused(item.job, client)
    except Gone:
        item.verdict, item.reason = Verdict.GONE, ""
    except Kept as why:
        item.verdict, item.reason = Verdict.KEPT, str(why)
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        item.verdict, item.reason = (
            Verdict.KEPT,
            f"dupdash could not find out in Moodle whether the copy is unchanged. {error}",
        )
    else:
        item.verdict, item.reason = Verdict.DELETABLE, ""


def _delete(item: UndoItem, undo: Undo, client: MoodleClient) -> None:
    """Delete one copy that was just checked, and set the verdict of its item."""
    job: DuplicationJob = item.job
    try:
        outcome = delete_copy(job, client, complete=True)
        record_event(
            job,
            kind="copy_deleted",
            reason=f"Its batch was undone. {outcome}",
            actor=undo.requester,
            course_deleted_at=timezone.now(),
        )
    except (NotDeleted, StaleJob) as why:
        item.verdict, item.reason = Verdict.KEPT, str(why)
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        item.verdict, item.reason = Verdict.KEPT, f"Moodle did not delete the copy. {error}"
    else:
        item.verdict, item.reason = Verdict.DELETED, ""
