"""How a job ends, or goes on being looked up: the few moves that engine, recovery and verbs have in common."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.observer import is_temporary_short_name, same_name
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move, note
from dupdash.duplication.verification import verify
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused

logger = logging.getLogger("dupdash.endings")

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
    move(
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
        heard_at=timezone.now(),
    )


def fail(
    job: DuplicationJob,
    code: str,
    message: str,
    *,
    reason: str = "",
    guard: Guard = None,
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """End a job without a copy. ``message`` is Moodle's own words where it spoke."""
    move(
        job,
        State.FAILED,
        kind="failed",
        reason=reason or f"Moodle will not make this copy: {message}",
        data={"errorcode": code, "message": message, **(data or {})},
        guard=guard,
        failure_code=code[:100],
        failure_message=message,
        **changes,
    )


def look_up(job: DuplicationJob, reason: str, *, errorcode: str = "", guard: Guard = None) -> None:
    """The answer of a sent job is lost: from now on the truth is looked up in Moodle, holding no worker."""
    now = timezone.now()
    move(
        job,
        State.CHECKING,
        kind="checking",
        reason=f"{reason} What became of the copy is looked up in Moodle.",
        data={"errorcode": errorcode} if errorcode else None,
        guard=guard,
        failure_code=errorcode[:100],
        checking_since=now,
        checks=0,
        check_at=now + timedelta(seconds=settings.CHECK_FIRST),
    )


def remove_course(job: DuplicationJob, client: MoodleClient, *, complete: bool) -> str:
    """Delete the course that this job is proven to have made, after looking at it once more.

    ``complete``: it is expected to carry the requested names, else the partial ones. Returns what happened, as a
    sentence. Raises NotRemoved where it must not or may not be deleted, MoodleError where Moodle cannot be asked.
    """
    if job.course_id is None or not job.is_proven:
        raise NotRemoved("No course is proven to have been made by this job, so none is deleted.")
    course = client.course_by_id(job.course_id)
    if course is None:
        return f"Course {job.course_id} is already gone from Moodle."
    requested = same_name(course.shortname, job.shortname)
    if not (requested or (not complete and is_temporary_short_name(course.shortname, job.source_shortname))):
        raise NotRemoved(
            f"Course {course.id} is called “{course.shortname}” by now: somebody works with it. It is not deleted."
        )
    if not complete and requested and client.contents(course.id).section_count:
        raise NotRemoved(f"Course {course.id} carries the requested names and has contents. It is not deleted.")
    client.delete_course(course.id)
    if client.course_by_id(course.id) is not None:
        raise NotRemoved(f"Moodle did not delete course {course.id}. Look at it there.")
    return f"Course {course.id}, “{course.fullname}” ({course.shortname}), was deleted in Moodle."


def _remove_unwanted(job: DuplicationJob, course_id: int, client: MoodleClient, guard: Guard, patient: bool) -> bool:
    """Delete a finished copy that nobody wants any more; False where it stays, and the job says why."""
    job.course_id = course_id
    try:
        outcome = remove_course(job, client, complete=True)
    except (NotRemoved, MoodleError) as refusal:
        if patient and _may_pass(refusal):
            if job.state == State.RUNNING:
                look_up(job, f"Whether the copy was removed is not known: {refusal}", guard=guard)
            return True
        note(
            job,
            kind="not_removed",
            reason=f"The copy was to be removed, but could not be: {refusal} Delete course {course_id} in Moodle.",
            guard=guard,
            data={"course_id": course_id},
        )
        return False
    move(
        job,
        State.CANCELLED,
        kind="removed",
        reason=f"Cancelled. {outcome}",
        guard=guard,
        course_deleted_at=timezone.now(),
    )
    return True


def _may_pass(refusal: NotRemoved | MoodleError) -> bool:
    """Whether a removal may succeed later: Moodle was away or in maintenance, or its answer was lost."""
    if isinstance(refusal, ConfigurationFault):
        # The one that says that this token shall not delete at all.
        return refusal.errorcode != "accessexception"
    return not isinstance(refusal, NotRemoved | Refused)
