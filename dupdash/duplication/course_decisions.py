"""The decisions of administrators about courses in Moodle: delete a partial course, settle an unresolved job."""

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.drivers.copy_evidence import CourseSnapshot
from dupdash.duplication.drivers.copy_verdict import matches_request
from dupdash.duplication.drivers.lookup import evidence_of, expected_copy_after_sending
from dupdash.duplication.engine.deletion import NotDeleted, delete_candidate, delete_copy
from dupdash.duplication.engine.job_endings import finish
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.name_display import quote_course
from dupdash.duplication.request import FRONT_PAGE
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob
from dupdash.duplication.transitions_for_person import CHANGED_MEANWHILE, CannotDo, move_for_person, record_for_person
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Course


def delete_partial(
    job: DuplicationJob,
    *,
    actor: User | None,
    client: MoodleClient,
    course_id: int | None = None,
) -> None:
    """Delete the course that a failed job left, after one more lookup.

    ``course_id``: the candidate that an administrator chose, if no course is proven. Raises NotAllowed, CannotDo if
    there is no such course or it must not be deleted, and MoodleError.
    """
    access.require(actor, Action.DELETE_PARTIAL, job)
    if not (job.left_partial_course or job.may_have_left_course):
        raise CannotDo("This job has no partial course to delete.")
    if not job.left_partial_course and course_id is None:
        raise CannotDo("No course is proven to come from this job. Choose the course to delete.")
    try:
        if job.left_partial_course:
            outcome = delete_copy(job, client, complete=False)
        else:
            outcome = delete_candidate(job, course_id or 0, client)
    except NotDeleted as refusal:
        raise CannotDo(str(refusal)) from None
    record_for_person(job, kind="partial_deleted", reason=outcome, actor=actor, course_deleted_at=timezone.now())


def settle(
    job: DuplicationJob,
    *,
    course_id: int | None,
    reason: str,
    actor: User | None,
    client: MoodleClient,
) -> None:
    """End an unresolved job by an administrator's decision. ``course_id``: the copy; None: no copy was made.

    ``reason``: how the administrator knows this. Raises NotAllowed, CannotDo, MoodleError.
    """
    access.require(actor, Action.SETTLE, job)
    if job.state != State.UNRESOLVED:
        raise CannotDo("Only the result of an unresolved job can be recorded.")
    why = reason.strip()
    if not why:
        raise CannotDo("Enter how you know this result. Your text appears in the activity of the job.")
    if course_id is None:
        if (answered := evidence_of(job).answered) is not None:
            raise CannotDo(
                f"“No copy was made” cannot be recorded: Moodle’s answer says that course {answered} is the copy. "
                "Check that course in Moodle, then choose it."
            )
        if found := _courses_that_match(job, client):
            raise CannotDo(f"Course {found[0].id} in Moodle has the requested names. Choose that course.")
        move_for_person(
            job,
            State.FAILED,
            expected=(State.UNRESOLVED,),
            kind="settled",
            guard={"course_id": job.course_id, "moodle_done_at": job.moodle_done_at},
            reason=f"Recorded: no copy was made. {why}",
            actor=actor,
            failure_code=job.request_error or "not_made",
            failure_message="A course administrator found that no copy was made.",
        )
        return
    if course_id == FRONT_PAGE or course_id in expected_copy_after_sending(job).not_ours:
        raise CannotDo(
            f"Course {course_id} existed before this copy was started, or is the copy of another job, so it cannot be "
            "this copy."
        )
    course = client.course_by_id(course_id)
    if course is None:
        raise CannotDo(f"Moodle has no course with the id {course_id}.")
    is_wanted = job.cancel_requested_at is None
    settled: dict[str, Any] = {
        "kind": "settled",
        "reason": f"Recorded: the copy is course {course.id}, {quote_course(course.fullname, course.shortname)}. {why}",
        "actor": actor,
        "data": {"course_id": course.id},
        # If a person cancels at this moment, the page says that the copy will be deleted. So the job must not succeed.
        "guard": {
            "cancel_requested_at__isnull": is_wanted,
            "course_id": job.course_id,
            "moodle_done_at": job.moodle_done_at,
        },
        "course_id": course.id,
        "proof": job.proof if job.is_proven and job.course_id == course.id else Proof.SETTLED,
    }
    if is_wanted:
        move_for_person(job, State.SUCCEEDED, expected=(State.UNRESOLVED,), **settled)
        return
    record_for_person(job, **settled)
    try:
        finish(job, course.id, client, retry_deletion=False)
    except StaleJob:
        raise CannotDo(CHANGED_MEANWHILE) from None


def _courses_that_match(job: DuplicationJob, client: MoodleClient) -> list[Course]:
    target = expected_copy_after_sending(job)
    found = client.courses_by_shortname(job.shortname)
    return [course for course in found if matches_request(CourseSnapshot.from_course(course), target)]
