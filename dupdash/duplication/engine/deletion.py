"""Deletes courses in Moodle. Each deletion begins with one more lookup, and another lookup confirms it."""

from collections.abc import Mapping
from typing import Any

from dupdash.duplication.drivers.lookup import evidence_of, expected_copy_after_sending
from dupdash.duplication.drivers.temporary_names import is_temporary_short_name, same_name
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.name_display import isolate, quote_course
from dupdash.duplication.transitions import update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MayHaveStarted, MoodleError
from dupdash.moodle.records import Course

Guard = Mapping[str, Any] | None


class NotDeleted(Exception):
    """A course was not deleted. The message gives the reason in a sentence for people."""


class CourseInUse(NotDeleted):
    """A course was not deleted, because somebody seems to be using it."""


def delete_and_confirm(course: Course, client: MoodleClient) -> None:
    """Delete a course, and look up whether it is gone.

    If the answer to the deletion is lost or unreadable (plugins can cause this), the lookup decides. Raises NotDeleted
    if Moodle reports no error but the course still exists, and MoodleError if Moodle refuses or nothing is proven.
    """
    try:
        client.delete_course(course.id)
    except MayHaveStarted:
        if not _is_gone(course.id, client):
            raise
        return
    if client.course_by_id(course.id) is not None:
        raise NotDeleted(f"Moodle did not delete course {course.id}. Check the course in Moodle.")


def _is_gone(course_id: int, client: MoodleClient) -> bool:
    try:
        return client.course_by_id(course_id) is None
    except MoodleError:
        return False


def delete_copy(job: DuplicationJob, client: MoodleClient, *, complete: bool, guard: Guard = None) -> str:
    """Delete the course that this job is proven to have made, after one more lookup.

    ``complete``: the course must have the requested names; a partial course may also have a temporary name. ``guard``:
    as for ``move_job``. Returns what happened, in a sentence. Raises NotDeleted if dupdash or Moodle did not delete the
    course, MoodleError if Moodle refused or did not answer, and StaleJob if another process changed the job.
    """
    if job.course_id is None or not job.is_proven:
        raise NotDeleted("It is not proven that this job made a course, so dupdash deletes none.")
    if job.proof == Proof.SETTLED:
        raise NotDeleted(
            f"A course administrator chose course {job.course_id} as the copy. It is not proven that this job made the "
            "course, so dupdash does not delete it."
        )
    course = client.course_by_id(job.course_id)
    if course is None:
        return f"dupdash no longer finds course {job.course_id} in Moodle. Somebody probably deleted it."
    require_unchanged(job, course, client, complete=complete)
    # The job may have changed while Moodle was asked.
    update_job(job, guard=guard)
    delete_and_confirm(course, client)
    return f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, was deleted in Moodle."


def delete_candidate(job: DuplicationJob, course_id: int, client: MoodleClient) -> str:
    """Delete the candidate that an administrator chose, after one more lookup.

    Returns what happened, in a sentence. Raises NotDeleted if dupdash or Moodle did not delete the course, and
    MoodleError if Moodle refused or did not answer.
    """
    candidate = next((one for one in evidence_of(job).candidates if one.id == course_id), None)
    if candidate is None or course_id in expected_copy_after_sending(job).not_ours:
        raise NotDeleted(f"Course {course_id} is not one of the courses that this job may have left in Moodle.")
    course = client.course_by_id(course_id)
    if course is None:
        return f"dupdash no longer finds course {course_id} in Moodle. Somebody probably deleted it."
    if course.category_id != job.category_id:
        raise NotDeleted(f"Course {course_id} is not in the requested category, so it is not deleted.")
    as_left = same_name(course.shortname, candidate.shortname) and same_name(course.fullname, candidate.fullname)
    if not (as_left and is_temporary_short_name(course.shortname, job.source_shortname)):
        raise CourseInUse(
            f"Course {course_id} is now called {quote_course(course.fullname, course.shortname)}, so somebody is "
            "using it. It is not deleted."
        )
    delete_and_confirm(course, client)
    return (
        f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, was deleted in Moodle. A "
        "course administrator chose it; it was not proven to come from this job."
    )


def require_unchanged(job: DuplicationJob, course: Course, client: MoodleClient, *, complete: bool) -> None:
    """Raise CourseInUse if a person seems to be using the course: it was renamed or moved, or got more contents.

    ``complete``: as for ``delete_copy``; contents count only for a partial course. Visibility does not matter, because
    people often hide a partial course first. Raises MoodleError if the contents cannot be read.
    """
    requested = same_name(course.shortname, job.shortname)
    if not (requested or (not complete and is_temporary_short_name(course.shortname, job.source_shortname))):
        raise CourseInUse(
            f"Course {course.id} was renamed to “{isolate(course.shortname)}”, so somebody is using it. It is not "
            "deleted."
        )
    if not complete and requested and _has_more_contents(job, course, client):
        raise CourseInUse(
            f"Course {course.id} has the requested names, and more contents than when dupdash last saw it. "
            "Somebody may be using it, so it is not deleted."
        )
    if course.category_id != job.category_id:
        raise CourseInUse(f"Somebody moved course {course.id} to another category, so it is not deleted.")
    last = evidence_of(job).own
    was = job.fullname if requested else ""
    # A restore changes full name and short name together. So with the same short name, the full name must be the same.
    if not was and last is not None and last.id == course.id and same_name(last.shortname, course.shortname):
        was = last.fullname
    if was and not same_name(was, course.fullname):
        raise CourseInUse(
            f"Course {course.id} was renamed from “{isolate(was)}” to “{isolate(course.fullname)}”, so somebody is "
            "using it. It is not deleted."
        )


def _has_more_contents(job: DuplicationJob, course: Course, client: MoodleClient) -> bool:
    """Return whether an incomplete course with the requested names has more contents now than when it was last seen."""
    last = evidence_of(job).own
    # Moodle creates the first section when somebody opens the course.
    sections = max(1, last.sections if last is not None else 0)
    activities = last.activities if last is not None else 0
    if job.failure_code == "incomplete_copy" and job.verification is not None:
        sections = max(sections, job.verification["sections"]["copy"])
        activities = max(activities, job.verification["activities"]["copy"])
    inside = client.contents(course.id)
    return inside.section_count > sections or inside.activities > activities
