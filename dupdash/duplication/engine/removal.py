"""Delete courses in Moodle: only after one more lookup, and confirmed by another one."""

from collections.abc import Mapping
from typing import Any

from dupdash.duplication.drivers.lookup import evidence_of, expected_copy_after_sending
from dupdash.duplication.drivers.names import is_temporary_short_name, same_name
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.text_direction import isolate, quote_course
from dupdash.duplication.transitions import update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MayHaveStarted, MoodleError
from dupdash.moodle.records import Course

Guard = Mapping[str, Any] | None


class NotRemoved(Exception):
    """A course was not deleted; the message says why, for a person."""


def delete_and_confirm(course: Course, client: MoodleClient) -> None:
    """Delete a course, and look up whether it is gone.

    An answer that cannot be read proves nothing, because plugins write HTML in front of it. A course that is gone was
    deleted.
    Raises NotRemoved where it is still there though Moodle reports no error, and MoodleError.
    """
    try:
        client.delete_course(course.id)
    except MayHaveStarted:
        if not _is_gone(course.id, client):
            raise
        return
    if client.course_by_id(course.id) is not None:
        raise NotRemoved(f"Moodle did not delete course {course.id}. Look at it there.")


def _is_gone(course_id: int, client: MoodleClient) -> bool:
    try:
        return client.course_by_id(course_id) is None
    except MoodleError:
        return False


def remove_course(job: DuplicationJob, client: MoodleClient, *, complete: bool, guard: Guard = None) -> str:
    """Delete the course that this job is proven to have made, after one more lookup.

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
    require_unchanged(job, course, client, complete=complete)
    # The job may have changed while Moodle was asked.
    update_job(job, guard=guard)
    delete_and_confirm(course, client)
    return f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, was deleted in Moodle."


def remove_candidate(job: DuplicationJob, course_id: int, client: MoodleClient) -> str:
    """Delete a course that is likely what a failed job left, which an administrator chose; after one more lookup.

    Returns what happened, as a sentence. Raises NotRemoved where it must not or may not be deleted, and MoodleError.
    """
    candidate = next((one for one in evidence_of(job).candidates if one.id == course_id), None)
    if candidate is None or course_id in expected_copy_after_sending(job).not_ours:
        raise NotRemoved(f"Course {course_id} is none of those that this job may have left.")
    course = client.course_by_id(course_id)
    if course is None:
        return f"Course {course_id} is already gone from Moodle."
    if course.category_id != job.category_id:
        raise NotRemoved(f"Course {course_id} is in another category than this copy. It is not deleted.")
    as_left = same_name(course.shortname, candidate.shortname) and same_name(course.fullname, candidate.fullname)
    if not (as_left and is_temporary_short_name(course.shortname, job.source_shortname)):
        raise NotRemoved(
            f"Course {course_id} is called {quote_course(course.fullname, course.shortname)} by now: somebody works "
            "with it. It is not deleted."
        )
    delete_and_confirm(course, client)
    return (
        f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, was deleted in Moodle. It was not "
        "proven to come from this job: an administrator chose it."
    )


def require_unchanged(job: DuplicationJob, course: Course, client: MoodleClient, *, complete: bool) -> None:
    """Raises NotRemoved where a course is not what this job made any more, but something that a person works with.

    Whether students can see it does not matter: hiding a partial course is the first thing that a person does.
    """
    requested = same_name(course.shortname, job.shortname)
    if not (requested or (not complete and is_temporary_short_name(course.shortname, job.source_shortname))):
        raise NotRemoved(
            f"Course {course.id} was renamed to “{isolate(course.shortname)}”: somebody works with it. It is kept."
        )
    if not complete and requested and _grew(job, course, client):
        raise NotRemoved(f"Course {course.id} carries the requested names and has contents. It is not deleted.")
    if course.category_id != job.category_id:
        raise NotRemoved(f"Course {course.id} was moved to another category by somebody. It is not deleted.")
    last = evidence_of(job).own
    was = job.fullname if requested else ""
    # Under the short name that it was last seen with: restore itself gives it another one only together with this.
    if not was and last is not None and last.id == course.id and same_name(last.shortname, course.shortname):
        was = last.fullname
    if was and not same_name(was, course.fullname):
        raise NotRemoved(
            f"Course {course.id} was “{isolate(was)}” and is called “{isolate(course.fullname)}” by now: "
            "somebody works with it. It is not deleted."
        )


def _grew(job: DuplicationJob, course: Course, client: MoodleClient) -> bool:
    """Whether a course that was left incomplete under the requested names has more in it than it was left with."""
    last = evidence_of(job).own
    # Moodle makes the first section when somebody opens the course.
    sections = max(1, last.sections if last is not None else 0)
    activities = last.activities if last is not None else 0
    if job.failure_code == "incomplete_copy" and job.verification is not None:
        sections = max(sections, job.verification["sections"]["copy"])
        activities = max(activities, job.verification["activities"]["copy"])
    inside = client.contents(course.id)
    return inside.section_count > sections or inside.activities > activities
