"""How a job ends, or goes on being looked up: the few moves that engine, recovery and verbs have in common."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers.copy_tracker import CopyEvidence, is_temporary_short_name, same_name
from dupdash.duplication.engine.verification import verify
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.moodle_health import DELETE
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import isolate, quote_course
from dupdash.duplication.transitions import move_job, record_event, update_job
from dupdash.moodle.client import LONGEST_DELETION, MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MayHaveStarted, MoodleError, MoodleWords, Refused
from dupdash.moodle.records import Course

logger = logging.getLogger("dupdash.completion")

Guard = Mapping[str, Any] | None


class NotRemoved(Exception):
    """A course was not deleted; the message says why, for a person."""


def finish(
    job: DuplicationJob, course_id: int, client: MoodleClient, *, guard: Guard = None, patient: bool = True
) -> None:
    """The copy is complete: hold it against its source and say so; or remove it, where that was asked for.

    ``patient``: a removal that fails in passing is tried again later, else it is left to a person.
    Raises JobMovedOn where somebody moved or cancelled the job meanwhile.
    """
    wanted = job.cancel_requested_at is None
    if not wanted and _remove_unwanted(job, course_id, client, guard, patient):
        return
    report = verify(job, course_id, client)
    move_job(
        job,
        State.SUCCEEDED,
        kind="succeeded",
        reason=f"The copy is complete: course {course_id}.",
        data={"course_id": course_id},
        # Whoever cancels at this very moment must not be told that the copy will be removed, and then find it.
        guard={**(guard or {}), "cancel_requested_at__isnull": wanted},
        course_id=course_id,
        failure_code="",
        phase=Phase.RESTORE,
        verification=report,
        last_response_at=timezone.now(),
    )


def fail(
    job: DuplicationJob,
    code: str,
    message: str,
    *,
    reason: str = "",
    guard: Guard = None,
    data: dict[str, Any] | None = None,
    words: MoodleWords | None = None,
    **changes: Any,
) -> None:
    """End a job without a copy. ``message``: Moodle's where it sent one, else a sentence of ours; ``words``: the error
    as Moodle sent it."""
    if words is not None:
        changes["moodle_error"] = asdict(words)
    move_job(
        job,
        State.FAILED,
        kind="failed",
        reason=reason or f"Moodle will not make this copy: {message_or_code(code, message)}",
        data={"errorcode": code, "message": message, **(asdict(words) if words else {}), **(data or {})},
        guard=guard,
        failure_code=code[:100],
        failure_message=message,
        **changes,
    )


def cancel_unsent(job: DuplicationJob, *, guard: Guard = None) -> None:
    """End a job that somebody cancelled, and of which nothing was started."""
    move_job(job, State.CANCELLED, kind="cancelled", reason="Nothing had been started.", guard=guard)


def retry_delay(times: int) -> timedelta:
    """How long a job that started nothing waits for its next turn, after so many in vain: longer and longer."""
    return timedelta(seconds=min(settings.RETRY_LONGEST, settings.RETRY_FIRST * 3.0 ** min(times - 1, 60)))


def start_checking(
    job: DuplicationJob, reason: str, *, errorcode: str = "", words: MoodleWords | None = None, guard: Guard = None
) -> None:
    """The answer of a sent job is lost: from now on Moodle is checked for its course, without a worker.

    ``errorcode`` and ``words``: the error that Moodle answered instead, if it did.
    """
    now = timezone.now()
    move_job(
        job,
        State.CHECKING,
        kind="checking",
        reason=f"{reason} What became of the copy is looked up in Moodle.",
        data=({"errorcode": errorcode} | (asdict(words) if words else {})) if errorcode else None,
        guard=guard,
        failure_code=errorcode[:100],
        moodle_error=asdict(words) if words else None,
        checking_since=now,
        paused_seconds=0,
        checks=0,
        looks=0,
        check_at=now + timedelta(seconds=settings.CHECK_FIRST),
    )


def remove_course(job: DuplicationJob, client: MoodleClient, *, complete: bool, guard: Guard = None) -> str:
    """Delete the course that this job is proven to have made, after looking at it once more.

    ``complete``: it is expected to carry the requested names, else the partial ones. Returns what happened, as a
    sentence. Raises NotRemoved where it must not or may not be deleted, MoodleError where Moodle cannot be asked.
    """
    if job.course_id is None or not job.is_proven:
        raise NotRemoved("No course is proven to have been made by this job, so none is deleted.")
    if job.proof == Proof.SETTLED:
        raise NotRemoved("That it is this job's is a person's word, and on that nothing is deleted.")
    course = client.course_by_id(job.course_id)
    if course is None:
        return f"Course {job.course_id} is already gone from Moodle."
    _still_as_this_job_left_it(job, course, client, complete=complete)
    # What was learnt while Moodle was asked counts.
    update_job(job, guard=guard)
    try:
        client.delete_course(course.id)
    except MayHaveStarted as lost:
        # A plugin may spoil the answer to a deletion that succeeded (measured on a Moodle 4.2).
        if not _is_gone(course.id, client):
            raise
        logger.info("job %s: course %s is gone, though the answer could not be read: %s", job.pk, course.id, lost)
    if client.course_by_id(course.id) is not None:
        raise NotRemoved(f"Moodle did not delete course {course.id}. Look at it there.")
    return f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, was deleted in Moodle."


def _still_as_this_job_left_it(job: DuplicationJob, course: Course, client: MoodleClient, *, complete: bool) -> None:
    """Raises NotRemoved where a course is not what this job made any more, but something that a person works with.

    Whether students can see it does not matter: hiding a partial course is the first thing that a person does.
    """
    requested = same_name(course.shortname, job.shortname)
    if not (requested or (not complete and is_temporary_short_name(course.shortname, job.source_shortname))):
        raise NotRemoved(
            f"Course {course.id} was renamed to “{isolate(course.shortname)}”: somebody works with it. It is kept."
        )
    if not complete and requested and client.contents(course.id).section_count:
        raise NotRemoved(f"Course {course.id} carries the requested names and has contents. It is not deleted.")
    if course.category_id != job.category_id:
        raise NotRemoved(f"Course {course.id} was moved to another category by somebody. It is not deleted.")
    last = CopyEvidence.from_json(job.facts).last
    was = job.fullname if requested else ""
    # Under the short name that it was last seen with: restore itself gives it another one only together with this.
    if not was and last is not None and last.id == course.id and same_name(last.shortname, course.shortname):
        was = last.fullname
    if was and not same_name(was, course.fullname):
        raise NotRemoved(
            f"Course {course.id} was “{isolate(was)}” and is called “{isolate(course.fullname)}” by now: "
            "somebody works with it. It is not deleted."
        )


def _remove_unwanted(job: DuplicationJob, course_id: int, client: MoodleClient, guard: Guard, patient: bool) -> bool:
    """Delete a finished copy that nobody wants any more; False where it stays, and the job says why."""
    next_look = job.check_at
    if next_look is not None:
        # Whoever looked meanwhile would find the copy, and delete it a second time.
        update_job(job, guard=guard, check_at=_after_a_deletion())
    job.course_id = course_id
    try:
        outcome = remove_course(job, client, complete=True, guard=guard)
    except (NotRemoved, MoodleError) as refusal:
        if patient and _may_pass(refusal):
            if job.state == State.RUNNING:
                start_checking(job, f"Whether the copy was removed is not known: {refusal}", guard=guard)
                next_look = job.check_at
            # Moodle may be at it still where its answer was lost.
            update_job(job, check_at=_after_a_deletion() if _may_be_deleting(refusal) else next_look)
            return True
        record_event(
            job,
            kind="not_removed",
            reason=f"The copy was to be removed, but could not be: {refusal} Delete course {course_id} in Moodle.",
            guard=guard,
            data={"course_id": course_id},
        )
        return False
    move_job(
        job,
        State.CANCELLED,
        kind="removed",
        reason=f"Cancelled. {outcome}",
        guard=guard,
        course_deleted_at=timezone.now(),
    )
    return True


def _is_gone(course_id: int, client: MoodleClient) -> bool:
    try:
        return client.course_by_id(course_id) is None
    except MoodleError:
        return False


def _after_a_deletion() -> datetime:
    """When Moodle will be through with a deletion that begins now, or was begun and is not heard of."""
    longest = min(LONGEST_DELETION, settings.MOODLE_DUPLICATION_TIMEOUT) + settings.MOODLE_CONNECT_TIMEOUT
    return timezone.now() + timedelta(seconds=longest)


def _may_be_deleting(refusal: NotRemoved | MoodleError) -> bool:
    return isinstance(refusal, MayHaveStarted) and refusal.function == DELETE


def _may_pass(refusal: NotRemoved | MoodleError) -> bool:
    """Whether a removal may succeed later: Moodle was away or in maintenance, or its answer was lost."""
    if isinstance(refusal, ConfigurationFault):
        # The one that says that this token shall not delete at all.
        return refusal.errorcode != "accessexception"
    return not isinstance(refusal, NotRemoved | Refused)
