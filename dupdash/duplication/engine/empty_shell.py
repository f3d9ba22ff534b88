"""Deletes the empty course that an error of Moodle left behind, and sends the request again.

Somebody who looks up a new course in its first milliseconds breaks its restore (docs/moodle-behaviour.md). Moodle then
answers an error and leaves a hidden course without contents under the requested names: an empty shell. The same request
succeeds once the shell is gone.
"""

import logging
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers.copy_tracker import (
    MISSING_BELIEVED,
    CopyEvidence,
    CourseSnapshot,
    is_empty_shell,
    matches_request,
)
from dupdash.duplication.drivers.lookup import expected_copy_after_sending
from dupdash.duplication.engine.completion import after_a_deletion, columns_before_sending, may_be_deleting, may_pass
from dupdash.duplication.engine.removal import Guard, NotRemoved, delete_and_confirm
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_health import DELETE
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import quote_course
from dupdash.duplication.transitions import StaleJob, move_job, record_event, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.options import SYNCHRONOUS
from dupdash.moodle.records import Course

logger = logging.getLogger("dupdash.checking")

# How often the shell of one job is deleted, and its request sent again.
DELETIONS_MOST = 2


def is_deletable(job: DuplicationJob, evidence: CopyEvidence) -> bool:
    """Whether the course of a job that Moodle ended with an error is an empty shell that dupdash deletes.

    The course carries both requested names in the requested category, did not exist before the request, is hidden and
    has nothing but an empty first section. Nothing else was seen that may be the copy.

    Not with the asynchronous driver, because such a site may repeat the outcome of a request that it knows already.
    """
    course = evidence.own
    if course is None or course.id != evidence.course_id or evidence.answered is not None:
        return False
    wanted = settings.EMPTY_SHELL_CLEANUP and job.shell_deletions < DELETIONS_MOST
    ended = job.state == State.CHECKING and job.driver == SYNCHRONOUS and job.moodle_done_at is not None
    there = not course.missing or job.shell_course_id == course.id
    shell = not course.visible and not course.renamed and is_empty_shell(course.sections, course.activities)
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
    """Delete the shell of a job, and put the job back into the queue; every step is an event.

    Returns why the shell stays in Moodle, as a sentence; "" where it was deleted or the deletion is tried again later,
    until ``deadline``. Raises StaleJob where somebody else changed the job.
    """
    shell = evidence.own
    if shell is None or evidence.course_id is None:
        return ""
    if not MoodleHealth.current().may_delete:
        return _keep(job, shell.id, f"The token of dupdash may not call {DELETE}.", guard)
    if shell.missing:
        # The answer to its deletion was lost. One lookup that does not find a course may be a fault of the lookup.
        if shell.missing < MISSING_BELIEVED:
            return ""
    else:
        next_check = job.check_at
        if job.shell_course_id != shell.id:
            record_event(
                job,
                kind="shell_found",
                reason="Moodle's error left a hidden course without contents under the requested names: "
                f"id {shell.id}. It is checked once more and then deleted.",
                data={"course_id": shell.id},
                guard=guard,
                shell_course_id=shell.id,
            )
        # Another sweep must not find the shell, and delete it a second time.
        update_job(job, guard=guard, check_at=after_a_deletion())
        try:
            course = _find_again(job, shell.id, client)
            if course is not None:
                # The job may have changed while Moodle was asked.
                update_job(job, guard=guard)
                delete_and_confirm(course, client)
        except (NotRemoved, MoodleError) as refusal:
            if may_pass(refusal) and timezone.now() < deadline:
                logger.info("job %s: its empty course was not deleted: %s", job.pk, refusal)
                update_job(job, check_at=after_a_deletion() if may_be_deleting(refusal) else next_check)
                return ""
            return _keep(job, shell.id, str(refusal), guard)
    _continue_without_shell(job, shell.id, guard)
    return ""


def _find_again(job: DuplicationJob, course_id: int, client: MoodleClient) -> Course | None:
    """The shell as it is now, None where it is gone. Raises NotRemoved where it is no shell any more, MoodleError."""
    course = client.course_by_id(course_id)
    if course is None:
        return None
    if course.visible is not False:
        raise NotRemoved(f"Students can see course {course_id} by now. It is not deleted.")
    if not matches_request(CourseSnapshot.from_course(course), expected_copy_after_sending(job)):
        named = quote_course(course.fullname, course.shortname)
        raise NotRemoved(f"Course {course_id} is called {named} by now, or was moved. It is not deleted.")
    contents = client.contents(course_id)
    if contents.left_out or not is_empty_shell(contents.section_count, contents.activities):
        raise NotRemoved(f"Course {course_id} has contents by now. It is not deleted.")
    return course


def _keep(job: DuplicationJob, course_id: int, why: str, guard: Guard) -> str:
    record_event(
        job,
        kind="shell_kept",
        reason=f"The empty course, id {course_id}, stays in Moodle: {why}",
        data={"course_id": course_id},
        guard=guard,
    )
    return f"The empty course could not be deleted: {why}"


def _continue_without_shell(job: DuplicationJob, course_id: int, guard: Guard) -> None:
    """The shell is gone: put the job back into the queue, or end it where somebody cancelled it.

    The driver looks up the requested short name before it sends: a course with that name ends the job.
    """
    deleted = f"The empty course, id {course_id}, was deleted in Moodle and is gone."
    again = job.shell_deletions + 1
    try:
        move_job(
            job,
            State.QUEUED,
            kind="shell_deleted",
            reason=f"{deleted} Nothing is left of the request, so it is sent again ({again} of {DELETIONS_MOST}).",
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
            kind="removed",
            reason=f"Cancelled. {deleted}",
            data={"course_id": course_id},
            guard=guard,
            course_deleted_at=timezone.now(),
        )
