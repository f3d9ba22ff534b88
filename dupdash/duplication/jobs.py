"""The actions on jobs: submit, approve, reject, cancel, retry, delete, settle. Every entrance calls these functions."""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.drivers.copy_tracker import CourseSnapshot, matches_request
from dupdash.duplication.drivers.lookup import evidence_of, expected_copy_after_sending
from dupdash.duplication.engine.completion import finish
from dupdash.duplication.engine.removal import NotRemoved, remove_candidate, remove_course
from dupdash.duplication.idempotency import CHANGEABLE, to_event
from dupdash.duplication.models import Batch, DuplicationJob, Origin, Proof
from dupdash.duplication.queue import dispatch
from dupdash.duplication.request import (
    FRONT_PAGE,
    Draft,
    DuplicationRequest,
    InvalidRequest,
    Problem,
    held_by_job,
    prepare,
)
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import quote_course
from dupdash.duplication.transitions import StaleJob, create_job, move_job, record_event
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import abilities
from dupdash.moodle.records import Course

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger("dupdash.jobs")

MOVED_ON = "Somebody else changed this job at the same moment. Look at it again."


TRIED_AGAIN = "This copy was already tried again. Continue with the latest attempt."


class CannotDo(Exception):
    """This cannot be done to this job as it is now; the message is for a person."""


def submit(
    request: DuplicationRequest,
    *,
    actor: "User | None",
    client: MoodleClient,
    via: str = "",
    retry_of: DuplicationJob | None = None,
) -> DuplicationJob:
    """Make a job of a request: one row and its first event, in one transaction.

    ``actor`` None is the command line. ``via``: how the actor acts, for example the label of an API token.
    Raises NotAllowed, InvalidRequest where an unfinished job has the short name, and MoodleError where it must be asked
    of Moodle who teaches the source and Moodle does not answer.
    """
    access.require_submit(actor, access.RequestedCopy(request.source_id, request.category_id, request.options), client)
    return _insert(request, access.first_state(actor), actor, via, retry_of, requester=actor)


def approve(
    job: DuplicationJob, *, actor: "User | None", via: str = "", reason: str = "", hold: timedelta | None = None
) -> None:
    """Let a waiting job run. With ``hold`` it starts that much later, and until then the approval can be undone.

    Raises NotAllowed, CannotDo.
    """
    access.require(actor, Action.APPROVE, job)
    _move(
        job,
        State.QUEUED,
        expected=(State.AWAITING_APPROVAL,),
        kind="approved",
        reason=reason or "Approved.",
        actor=actor,
        via=via,
        queued_at=timezone.now(),
        held_until=timezone.now() + hold if hold else None,
    )
    dispatch.dispatch()


def undo_approval(job: DuplicationJob, *, actor: "User | None", via: str = "") -> None:
    """Let an approved job wait for approval again. Raises NotAllowed, and CannotDo once its hold is over."""
    access.require(actor, Action.APPROVE, job)
    if job.held_until is None or job.held_until <= timezone.now():
        raise CannotDo("It is too late to undo this approval. You can cancel the copy instead.")
    _move(
        job,
        State.AWAITING_APPROVAL,
        expected=(State.QUEUED,),
        kind="approval_undone",
        guard={"held_until__gt": timezone.now(), "dispatched_at": None},
        reason="The approval was undone.",
        actor=actor,
        via=via,
        queued_at=None,
        held_until=None,
    )


def edit_and_approve(job: DuplicationJob, request: DuplicationRequest, *, actor: "User | None", via: str = "") -> bool:
    """Change what a waiting job asks for, and let it run; False where nothing is changed by that.

    Raises NotAllowed, CannotDo, InvalidRequest.
    """
    access.require(actor, Action.APPROVE, job)
    changes = {name: getattr(request, name) for name in CHANGEABLE}
    before = {name: getattr(job, name) for name in changes}
    changed = [name for name, value in changes.items() if name != "category_name" and before[name] != value]
    words = ", ".join(CHANGEABLE[name] for name in changed)
    try:
        with transaction.atomic():
            _move(
                job,
                State.QUEUED,
                expected=(State.AWAITING_APPROVAL,),
                kind="approved",
                reason=f"Approved, with changes to: {words}." if changed else "Approved.",
                actor=actor,
                via=via,
                data={"before": {name: to_event(before[name]) for name in changed}},
                queued_at=timezone.now(),
                **changes,
            )
    except IntegrityError:
        raise _held(request.shortname) from None
    dispatch.dispatch()
    return bool(changed)


def reject(job: DuplicationJob, *, reason: str, actor: "User | None", via: str = "") -> None:
    """Refuse a waiting job. Raises NotAllowed, CannotDo; a reason is required."""
    access.require(actor, Action.REJECT, job)
    if not reason.strip():
        raise CannotDo("Say why: the requester will read it.")
    _move(
        job,
        State.REJECTED,
        expected=(State.AWAITING_APPROVAL,),
        kind="rejected",
        reason=reason.strip(),
        actor=actor,
        via=via,
    )


def cancel(job: DuplicationJob, *, actor: "User | None", via: str = "") -> None:
    """Cancel a job: at once where nothing was sent; else its copy is removed when Moodle has completed it.

    A stock Moodle cannot be stopped; the plugin is told by the next sweep. Raises NotAllowed, CannotDo.
    """
    access.require(actor, Action.CANCEL, job)
    if job.state in (State.AWAITING_APPROVAL, State.QUEUED):
        _move(
            job,
            State.CANCELLED,
            expected=(State.AWAITING_APPROVAL, State.QUEUED),
            kind="cancelled",
            reason="Cancelled before anything was started.",
            actor=actor,
            via=via,
        )
        dispatch.dispatch()
        return
    if job.state not in (State.RUNNING, State.CHECKING, State.UNRESOLVED):
        raise CannotDo(f"This job has ended ({job.get_state_display().lower()}); there is nothing to cancel.")
    if job.cancel_requested_at is not None:
        raise CannotDo("This copy will be removed already, as soon as Moodle is done with it.")
    stops = abilities(job.driver).of_the_whole and job.state == State.RUNNING
    what_follows = (
        "Moodle stops the copy and removes what it has made."
        if stops
        else "Moodle cannot be stopped: the copy will be removed when Moodle is done with it."
    )
    _note(
        job,
        kind="cancel_requested",
        reason=f"Cancelled. {what_follows}",
        actor=actor,
        via=via,
        cancel_requested_at=timezone.now(),
    )


def retry(job: DuplicationJob, *, actor: "User | None", client: MoodleClient, via: str = "") -> DuplicationJob:
    """Submit the request of a failed job again: a new job of the same requester, which names the old one.

    A retry skips approval if the original was approved or an administrator retries it. That the original was queued
    without approval is not enough, because the policy may have changed. Raises NotAllowed, CannotDo, InvalidRequest,
    MoodleError.
    """
    access.require(actor, Action.RETRY, job)
    if refusal := why_no_retry(job):
        raise CannotDo(refusal)
    requester = job.requester
    request = prepare(draft_of(job), Origin(job.origin), client)
    access.require_submit(
        requester, access.RequestedCopy(request.source_id, request.category_id, request.options), client
    )
    approved = access.is_administrator(actor) or _was_approved(job)
    first_state = State.QUEUED if approved else access.first_state(requester)
    return _insert(request, first_state, actor, via, job, requester=requester, approved=approved)


def why_no_retry(job: DuplicationJob) -> str:
    """Why a job cannot be tried again as it is, in a sentence; "" where it can."""
    if refusal := why_not_again(job):
        return refusal
    if job.state not in (State.FAILED, State.CANCELLED):
        return "Only a job that failed or was cancelled can be tried again."
    return ""


def why_not_again(job: DuplicationJob) -> str:
    """Why the request of a job may not be submitted again, changed or not, in a sentence; "" where it may.

    Another short name does not help: the copy that this job makes, or has made, would stand beside the second one.
    """
    match job.state:
        case State.AWAITING_APPROVAL | State.QUEUED:
            return "This copy is still to be made: a second one would be made beside it. To change it, cancel it first."
        case State.RUNNING:
            return "This copy is being made: a second one could be made beside it."
        case State.CHECKING | State.UNRESOLVED:
            return "Whether this copy was made is not known yet: a second one could be made beside it."
    return TRIED_AGAIN if job.is_retried else ""


def _was_approved(job: DuplicationJob) -> bool:
    """Whether somebody approved this request: this job, or the one that it retries."""
    begun_so = Q(kind="submitted", data__approved=True)
    return job.events.filter(Q(kind="approved") | begun_so).exists()


def draft_of(job: DuplicationJob) -> Draft:
    """The request of a job as a draft."""
    return Draft(
        source=str(job.source_id),
        by_id=True,
        fullname=job.fullname,
        shortname=job.shortname,
        category_id=job.category_id,
        visible=job.visible,
        options=dict(job.options),
        startdate=job.startdate,
        enddate=job.enddate,
        idnumber=job.idnumber,
        note=job.note,
    )


def delete_partial(
    job: DuplicationJob,
    *,
    actor: "User | None",
    client: MoodleClient,
    course_id: int | None = None,
    via: str = "",
) -> None:
    """Delete the course that a failed job left, after one more lookup.

    ``course_id``: where none is proven, the candidate that an administrator chose, who was shown the reasons.
    Raises NotAllowed, CannotDo where it must not be deleted, MoodleError.
    """
    access.require(actor, Action.DELETE_PARTIAL, job)
    if not (job.left_partial_course or job.may_have_left_course):
        raise CannotDo("This job left no course.")
    if not job.left_partial_course and course_id is None:
        raise CannotDo("No course is proven to come from this job. Choose the one to delete.")
    try:
        if job.left_partial_course:
            outcome = remove_course(job, client, complete=False)
        else:
            outcome = remove_candidate(job, course_id or 0, client)
    except NotRemoved as refusal:
        raise CannotDo(str(refusal)) from None
    _note(
        job,
        kind="partial_deleted",
        reason=outcome,
        actor=actor,
        via=via,
        course_deleted_at=timezone.now(),
    )


def settle(
    job: DuplicationJob,
    *,
    course_id: int | None,
    reason: str,
    actor: "User | None",
    client: MoodleClient,
    via: str = "",
) -> None:
    """Resolve an unresolved job by an administrator's decision: this course is its copy, or (None) no copy was made.

    Raises NotAllowed, CannotDo, MoodleError.
    """
    access.require(actor, Action.SETTLE, job)
    if job.state != State.UNRESOLVED:
        raise CannotDo("Only an unresolved job can be settled.")
    why = reason.strip()
    if not why:
        raise CannotDo("Say how you know: others will read it.")
    if course_id is None:
        if (answered := evidence_of(job).answered) is not None:
            raise CannotDo(f"Moodle’s answer names course {answered}. Look at that one there.")
        if there := _courses_that_are_the_copy(job, client):
            raise CannotDo(f"Moodle shows it by now: course {there[0].id} has its names. Settle the job with that one.")
        _move(
            job,
            State.FAILED,
            expected=(State.UNRESOLVED,),
            kind="settled",
            guard={"course_id": job.course_id, "moodle_done_at": job.moodle_done_at},
            reason=f"Settled: no copy was made. {why}",
            actor=actor,
            via=via,
            failure_code=job.request_error or "not_made",
            failure_message="An administrator found that no copy was made.",
        )
        return
    if course_id == FRONT_PAGE or course_id in expected_copy_after_sending(job).not_ours:
        raise CannotDo(f"Course {course_id} was there before, or is the copy of another job: it cannot be this one's.")
    course = client.course_by_id(course_id)
    if course is None:
        raise CannotDo(f"Moodle has no course with the id {course_id}.")
    is_wanted = job.cancel_requested_at is None
    settled: dict[str, Any] = {
        "kind": "settled",
        "reason": f"Settled: the copy is course {course.id}, {quote_course(course.fullname, course.shortname)}. {why}",
        "actor": actor,
        "via": via,
        "data": {"course_id": course.id},
        # A person who cancels at this moment is told that the copy will be removed, so the job must not succeed then.
        "guard": {
            "cancel_requested_at__isnull": is_wanted,
            "course_id": job.course_id,
            "moodle_done_at": job.moodle_done_at,
        },
        "course_id": course.id,
        "proof": job.proof if job.is_proven and job.course_id == course.id else Proof.SETTLED,
    }
    if is_wanted:
        _move(job, State.SUCCEEDED, expected=(State.UNRESOLVED,), **settled)
        return
    _note(job, **settled)
    try:
        finish(job, course.id, client, patient=False)
    except StaleJob:
        raise CannotDo(MOVED_ON) from None


def _courses_that_are_the_copy(job: DuplicationJob, client: MoodleClient) -> list[Course]:
    target = expected_copy_after_sending(job)
    found = client.courses_by_shortname(job.shortname)
    return [course for course in found if matches_request(CourseSnapshot.from_course(course), target)]


def _insert(
    request: DuplicationRequest,
    state: State,
    actor: "User | None",
    via: str,
    retry_of: DuplicationJob | None,
    *,
    requester: "User | None",
    approved: bool = False,
) -> DuplicationJob:
    """``approved``: neither this job nor a retry of it needs an approval."""
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
                raise CannotDo(TRIED_AGAIN)
            create_job(job, reason=reason, actor=actor, via=via, data={"approved": True} if approved else None)
            Batch.objects.filter(pk=job.batch_id).update(closed_at=None)
    except IntegrityError:
        raise _held(request.shortname) from None
    if retry_of is not None:
        retry_of.is_retried = True
    dispatch.dispatch()
    return job


def new_job(request: DuplicationRequest, state: State, *, requester: "User | None") -> DuplicationJob:
    """The unsaved job of a request."""
    now = timezone.now()
    return DuplicationJob(
        state=state,
        requester=requester,
        origin=request.origin,
        source_id=request.source_id,
        source_shortname=request.source_shortname,
        source_fullname=request.source_fullname,
        fullname=request.fullname,
        shortname=request.shortname,
        category_id=request.category_id,
        category_name=request.category_name,
        visible=request.visible,
        options=request.options,
        startdate=request.startdate,
        enddate=request.enddate,
        idnumber=request.idnumber,
        note=request.note,
        not_before=request.not_before,
        idempotency_key=request.idempotency_key,
        created_at=now,
        queued_at=now if state == State.QUEUED else None,
    )


def _mark_retried(job: DuplicationJob) -> bool:
    """Whether this is the first retry of ``job``; of two at the same moment one wins."""
    return bool(DuplicationJob.objects.filter(pk=job.pk, is_retried=False).update(is_retried=True))


def _held(shortname: str) -> InvalidRequest:
    problem = held_by_job(shortname) or Problem(
        "shortname", "shortnametaken", "Another copy had this short name at the same moment. Try once more."
    )
    return InvalidRequest([problem])


def _move(job: DuplicationJob, to_state: State, *, expected: tuple[State, ...], **rest: object) -> None:
    if job.state not in expected:
        raise CannotDo(f"This job is {job.get_state_display().lower()} by now.")
    try:
        move_job(job, to_state, **rest)  # type: ignore[arg-type]
    except StaleJob:
        raise CannotDo(MOVED_ON) from None


def _note(job: DuplicationJob, **rest: object) -> None:
    try:
        record_event(job, **rest)  # type: ignore[arg-type]
    except StaleJob:
        raise CannotDo("This job changed at the same moment. Look at it again.") from None
