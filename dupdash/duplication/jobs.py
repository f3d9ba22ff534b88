"""The actions of requesters on jobs: submit, cancel and retry. Pages, commands and web services call them."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed
from dupdash.duplication.models import Batch, DuplicationJob, Origin
from dupdash.duplication.name_display import isolate
from dupdash.duplication.person_names import name_of
from dupdash.duplication.queue import dispatch
from dupdash.duplication.request import (
    Draft,
    DuplicationRequest,
    InvalidRequest,
    Problem,
    prepare,
    requested_fields,
    reserved_by_job,
)
from dupdash.duplication.states import State
from dupdash.duplication.transitions import WAITING, create_job
from dupdash.duplication.transitions_for_person import CannotDo, move_for_person, record_for_person
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import abilities

ALREADY_RETRIED = "This copy was already tried again. Continue with the latest attempt."


def submit(
    request: DuplicationRequest,
    *,
    actor: User | None,
    client: MoodleClient,
    via: str = "",
    retry_of: DuplicationJob | None = None,
) -> DuplicationJob:
    """Create a job for a request: one row and its first event, in one transaction.

    ``actor``: None is the command line. ``via``: how the actor acts, for example the label of an API token.
    ``retry_of``: the job that the new one retries. Raises NotAllowed, CannotDo if ``retry_of`` was retried already,
    InvalidRequest if an unfinished job has the short name, and MoodleError if Moodle does not answer who teaches the
    source.
    """
    access.require_submit(actor, request, client)
    return _insert(request, access.first_state(actor), actor, via, retry_of, requester=actor)


def _insert(
    request: DuplicationRequest,
    state: State,
    actor: User | None,
    via: str,
    retry_of: DuplicationJob | None,
    *,
    requester: User | None,
    approved: bool = False,
) -> DuplicationJob:
    """Insert a job. ``approved``: neither this job nor a retry of it needs an approval.

    Raises InvalidRequest if an unfinished job reserves the short name, and CannotDo if ``retry_of`` was already
    retried.
    """
    job = new_job(request, state, requester=requester)
    if retry_of is not None:
        job.retry_of, job.batch = retry_of, retry_of.batch
        job.batch_row, job.batch_order = retry_of.batch_row, retry_of.batch_order
    reason = "Waits for approval." if state == State.AWAITING_APPROVAL else "Queued."
    if retry_of is not None:
        reason = f"A new attempt at job {retry_of.pk}. {reason}"
    try:
        with transaction.atomic():
            if retry_of is not None and not _mark_retried(retry_of):
                raise CannotDo(ALREADY_RETRIED)
            create_job(job, reason=reason, actor=actor, via=via, data={"approved": True} if approved else None)
            Batch.objects.filter(pk=job.batch_id).update(closed_at=None)
    except IntegrityError:
        raise short_name_error(request.shortname) from None
    if retry_of is not None:
        retry_of.is_retried = True
    dispatch.dispatch()
    return job


def new_job(request: DuplicationRequest, state: State, *, requester: User | None) -> DuplicationJob:
    """Return the unsaved job of a request."""
    now = timezone.now()
    return DuplicationJob(
        state=state,
        requester=requester,
        created_at=now,
        queued_at=now if state == State.QUEUED else None,
        # Each field of a request is a column of the job.
        **vars(request),
    )


def _mark_retried(job: DuplicationJob) -> bool:
    """Mark a job as retried. Returns False if it was marked before: of two retries at the same moment one wins."""
    return bool(DuplicationJob.objects.filter(pk=job.pk, is_retried=False).update(is_retried=True))


def short_name_error(shortname: str) -> InvalidRequest:
    """Return the error to raise after the database refused a job because another one reserves the short name."""
    problem = reserved_by_job(shortname) or Problem(
        "shortname", "shortnametaken", "Another request used this short name at the same moment. Try again."
    )
    return InvalidRequest([problem])


def cancel(job: DuplicationJob, *, actor: User | None, via: str = "") -> None:
    """Cancel a job. If its request was sent already, dupdash deletes the copy when Moodle has completed it.

    Exception: a site with the Moodle plugin can stop a running copy; the next sweep asks for that. Raises NotAllowed,
    and CannotDo if the job has ended or is cancelled already.
    """
    access.require(actor, Action.CANCEL, job)
    if job.state in WAITING:
        move_for_person(
            job,
            State.CANCELLED,
            expected=WAITING,
            kind="cancelled",
            reason="Cancelled before the copy was started.",
            actor=actor,
            via=via,
        )
        dispatch.dispatch()
        return
    if job.is_terminal:
        raise CannotDo(f"This job has ended ({job.get_state_display().lower()}), so it cannot be cancelled.")
    if job.cancel_requested_at is not None:
        raise CannotDo(f"This copy is cancelled already. {after_cancelling(job)}")
    record_for_person(
        job,
        kind="cancel_requested",
        reason=f"Cancelled. {after_cancelling(job)}",
        actor=actor,
        via=via,
        cancel_requested_at=timezone.now(),
    )


def is_stopped_by_moodle(job: DuplicationJob) -> bool:
    """Return whether Moodle stops the copy of this unfinished job if the job is cancelled."""
    return abilities(job.driver).stops_copies and job.state == State.RUNNING


def after_cancelling(job: DuplicationJob, copy: str = "the copy") -> str:
    """Return what happens to a copy that has started if its job is cancelled. The sentences call the copy ``copy``."""
    if is_stopped_by_moodle(job):
        return f"Moodle stops {copy} and deletes the new course."
    deletion = f"dupdash deletes {copy} when Moodle has finished it."
    # The plugin stops copies, but dupdash does not ask it to while a job is checked.
    if abilities(job.driver).stops_copies:
        return deletion
    return f"Moodle cannot stop a copy that it has started. {deletion}"


def retry(job: DuplicationJob, *, actor: User | None, client: MoodleClient) -> DuplicationJob:
    """Submit the request of a failed or cancelled job again, as a new job (``retry_of``) of the same requester.

    A retry needs no approval if the original was approved or an administrator retries it. If the original was queued
    without approval, a retry may need one, because the policy may have changed. Raises NotAllowed, CannotDo,
    InvalidRequest, MoodleError.
    """
    access.require(actor, Action.RETRY, job)
    if refusal := why_no_retry(job):
        raise CannotDo(refusal)
    requester = job.requester
    request = prepare(draft_of(job), Origin(job.origin), client)
    _require_submit_by(requester, request, actor, client)
    approved = access.is_administrator(actor) or _was_approved(job)
    first_state = State.QUEUED if approved else access.first_state(requester)
    return _insert(request, first_state, actor, "", job, requester=requester, approved=approved)


def _require_submit_by(
    requester: User | None, request: DuplicationRequest, actor: User | None, client: MoodleClient
) -> None:
    """Raise NotAllowed unless the requester may request this copy now.

    If another person acts, the message names the requester.
    """
    try:
        access.require_submit(requester, request, client)
    except NotAllowed as refusal:
        if requester == actor:
            raise
        raise NotAllowed(
            f"{isolate(name_of(requester))} requested this copy, and may not request it now: “{refusal}”"
        ) from None


def why_no_retry(job: DuplicationJob) -> str:
    """Return why a job cannot be tried again, in a sentence; "" if it can."""
    if refusal := why_no_new_request(job):
        return refusal
    if not job.can_be_retried:
        return "Only a job that failed or was cancelled can be tried again."
    return ""


def why_no_new_request(job: DuplicationJob) -> str:
    """Return why the request of a job may not be submitted again, changed or not, in a sentence; "" if it may.

    A changed short name does not make it allowed: there could be two copies.
    """
    match job.state:
        case State.AWAITING_APPROVAL | State.QUEUED:
            return "This copy is still waiting, so do not request it again. To change it, cancel it first."
        case State.RUNNING:
            return "This copy is being made, so another request could make two copies."
        case State.CHECKING | State.UNRESOLVED:
            return "It is not known yet whether this copy was made, so another request could make two copies."
    return ALREADY_RETRIED if job.is_retried else ""


def _was_approved(job: DuplicationJob) -> bool:
    """Return whether this job has an approval that was not undone, or was submitted as a retry that needs none."""
    return job.approval_event() is not None or job.events.filter(kind="submitted", data__approved=True).exists()


def draft_of(job: DuplicationJob) -> Draft:
    """Return the request of a job as a draft, without its start time and its idempotency key."""
    fields = {**requested_fields(job), "not_before": None, "idempotency_key": ""}
    return Draft(source=str(job.source_id), by_id=True, **fields)
