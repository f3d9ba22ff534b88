"""Deletes the empty shell that an error of Moodle left behind, and sends the request again.

A lookup of a new course in its first milliseconds breaks its restore (docs/moodle-behaviour.md). Moodle then answers
with an error and leaves an empty shell: a hidden course that has the requested names but no contents. The same request
succeeds when the shell is gone.
"""

import logging
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.driver_choice import DELETE
from dupdash.duplication.drivers.copy_evidence import MISSES_UNTIL_GONE, CopyEvidence, CourseSnapshot
from dupdash.duplication.drivers.copy_verdict import is_empty, matches_request
from dupdash.duplication.drivers.lookup import expected_copy_after_sending
from dupdash.duplication.engine.deletion import Guard, NotDeleted, delete_and_confirm
from dupdash.duplication.engine.job_endings import (
    after_a_deletion,
    columns_before_sending,
    may_still_be_deleting,
    may_succeed_later,
)
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.name_display import quote_course
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, record_event, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import SYNCHRONOUS
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import Course

logger = logging.getLogger("dupdash.checking")

# At most this often the shell of a job is deleted and its request is sent again.
DELETIONS_MOST = 2


def is_deletable(job: DuplicationJob, evidence: CopyEvidence) -> bool:
    """Return whether the course that an error left behind is an empty shell that dupdash may delete.

    The conditions are in docs/architecture.md ("Empty shells"); the caller has checked that the error ended the
    request. The driver must be the synchronous one, because a site with the proposed functions may answer a repeated
    request with the outcome of the first one.
    """
    course = evidence.own
    if course is None or course.id != evidence.course_id or evidence.answered is not None:
        return False
    wanted = settings.EMPTY_SHELL_CLEANUP and job.shell_deletions < DELETIONS_MOST
    ended = job.state == State.CHECKING and job.driver == SYNCHRONOUS and job.moodle_done_at is not None
    there = not course.missing or job.shell_course_id == course.id
    shell = not course.is_past_hidden_row and is_empty(course.sections, course.activities)
    return bool(
        wanted
        and ended
        and there
        and shell
        and not evidence.present_candidates
        and matches_request(course, expected_copy_after_sending(job))
    )


def clean_up(
    job: DuplicationJob, evidence: CopyEvidence, client: MoodleClient, *, guard: Guard, deadline: datetime
) -> str:
    """Delete the shell of a job and return the job to the queue, or end a cancelled job. Each step gets an event.

    Returns why the shell stays in Moodle, in a sentence; "" if it was deleted, or if the deletion will be tried again
    until ``deadline``. Raises StaleJob if another process changed the job.
    """
    shell = evidence.own
    if shell is None or evidence.course_id is None:
        return ""
    if not MoodleHealth.current().may_delete:
        return _record_kept(
            job, shell.id, f"dupdash’s token is not allowed to call {DELETE}, the function that deletes courses.", guard
        )
    if shell.missing:
        # The answer to its deletion was lost. A single lookup that does not find the course may be wrong.
        if shell.missing < MISSES_UNTIL_GONE:
            return ""
    else:
        next_check = job.check_at
        if job.shell_course_id != shell.id:
            record_event(
                job,
                kind="shell_found",
                reason="After its error Moodle left a hidden course without contents that has the requested names: "
                f"id {shell.id}. dupdash checks it once more and then deletes it.",
                data={"course_id": shell.id},
                guard=guard,
                shell_course_id=shell.id,
            )
        # Another sweep must not delete the shell a second time.
        update_job(job, guard=guard, check_at=after_a_deletion())
        try:
            course = _find_again(job, shell.id, client)
            if course is not None:
                # The job may have changed while Moodle was asked.
                update_job(job, guard=guard)
                delete_and_confirm(course, client)
        except (NotDeleted, MoodleError) as refusal:
            if may_succeed_later(refusal) and timezone.now() < deadline:
                logger.info("job %s: its empty course was not deleted: %s", job.pk, refusal)
                update_job(job, check_at=after_a_deletion() if may_still_be_deleting(refusal) else next_check)
                return ""
            return _record_kept(job, shell.id, str(refusal), guard)
    _continue_without_shell(job, shell.id, guard)
    return ""


def _find_again(job: DuplicationJob, course_id: int, client: MoodleClient) -> Course | None:
    """Look up the shell again, and return it; None if it is gone.

    Raises NotDeleted if the course is no longer an empty shell, and MoodleError if it cannot be looked up.
    """
    course = client.course_by_id(course_id)
    if course is None:
        return None
    if course.visible is not False:
        raise NotDeleted(f"Course {course_id} is no longer hidden, so it is not deleted.")
    if course.startdate:
        raise NotDeleted(f"Course {course_id} has a start date now, so it is not deleted.")
    if not matches_request(CourseSnapshot.from_course(course), expected_copy_after_sending(job)):
        named = quote_course(course.fullname, course.shortname)
        raise NotDeleted(f"Course {course_id}, {named}, was renamed or moved, so it is not deleted.")
    contents = client.contents(course_id)
    if contents.left_out or not is_empty(contents.section_count, contents.activities):
        raise NotDeleted(f"Course {course_id} has contents now, so it is not deleted.")
    return course


def _record_kept(job: DuplicationJob, course_id: int, why: str, guard: Guard) -> str:
    record_event(
        job,
        kind="shell_kept",
        reason=f"The empty course, id {course_id}, stays in Moodle: {why}",
        data={"course_id": course_id},
        guard=guard,
    )
    return f"The empty course was not deleted: {why}"


def _continue_without_shell(job: DuplicationJob, course_id: int, guard: Guard) -> None:
    """Return the job to the queue after its shell was deleted, or end it if it was cancelled.

    Before the request is sent again, the driver looks up the requested short name. If a course has it, the job fails.
    """
    deleted = f"The empty course, id {course_id}, was deleted in Moodle."
    again = job.shell_deletions + 1
    try:
        move_job(
            job,
            State.QUEUED,
            kind="shell_deleted",
            reason=f"{deleted} dupdash sends the request again (repetition {again} of at most {DELETIONS_MOST}).",
            data={"course_id": course_id, "errorcode": job.request_error},
            guard={**(guard or {}), "cancel_requested_at__isnull": True},
            shell_deletions=again,
            shell_course_id=None,
            **columns_before_sending(),
        )
    except StaleJob:
        job.refresh_from_db()
        if job.cancel_requested_at is None:
            raise
        move_job(
            job,
            State.CANCELLED,
            kind="cancelled_copy_deleted",
            reason=f"Cancelled. {deleted}",
            data={"course_id": course_id},
            guard=guard,
            course_deleted_at=timezone.now(),
        )
