"""Checks that nobody has used or changed a copy since it was made, before the copy is deleted."""

from datetime import timedelta

from dupdash.duplication.engine.deletion import NotDeleted, require_unchanged
from dupdash.duplication.engine.verification import why_not_verified
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Course

# The clocks of Moodle and dupdash may differ by this much.
CLOCKS_APART = timedelta(minutes=5)


class Kept(Exception):
    """The copy must not be deleted. The message tells a person why."""


class Gone(Exception):
    """The copy is no longer in Moodle."""


def require_unused(job: DuplicationJob, client: MoodleClient) -> None:
    """Raise Kept unless the job certainly made this copy, and nobody has changed or used the copy since.

    Raises Gone if the copy is no longer in Moodle, and MoodleError if Moodle does not answer.
    """
    if job.state != State.SUCCEEDED or not job.is_proven or job.course_id is None:
        raise Kept("No course is proven to have been made by this job.")
    if job.proof == Proof.SETTLED:
        raise Kept(
            "A course administrator chose this course as the copy. Only courses that are proven to be copies are "
            "deleted."
        )
    course = client.course_by_id(job.course_id)
    if course is None:
        raise Gone
    try:
        require_unchanged(job, course, client, complete=True)
    except NotDeleted as changed:
        raise Kept(str(changed)) from None
    _require_same_settings(job, course)
    _require_same_contents(job, course, client)
    _require_no_new_people(job, course, client)


def _require_same_settings(job: DuplicationJob, course: Course) -> None:
    if job.finished_at is None or not course.timemodified:
        return
    if course.timemodified > (job.finished_at + CLOCKS_APART).timestamp():
        raise Kept("Somebody has changed the settings of this course.")


def _require_same_contents(job: DuplicationJob, course: Course, client: MoodleClient) -> None:
    report = job.verification
    if report is None or why_not_verified(report):
        raise Kept("This copy was not compared with its source, so dupdash cannot tell whether it was changed.")
    now = client.contents(course.id)
    if now.activities != report["activities"]["copy"]:
        raise Kept(f"Number of activities in the copy: {report['activities']['copy']} at first, {now.activities} now.")
    # Moodle creates the first section of a course when somebody opens the course.
    if now.section_count > max(1, report["sections"]["copy"]):
        raise Kept(f"Number of sections in the copy: {report['sections']['copy']} at first, {now.section_count} now.")


def _require_no_new_people(job: DuplicationJob, course: Course, client: MoodleClient) -> None:
    enrolled = client.participants(course.id)
    if not enrolled:
        return
    if not job.options.get("users"):
        raise Kept(_people(len(enrolled), "is enrolled.", "are enrolled."))
    ended = job.finished_at.timestamp() if job.finished_at else 0
    visitors = [person for person in enrolled if person.last_access > ended]
    if visitors:
        raise Kept(_people(len(visitors), "has opened the copy.", "have opened the copy."))
    copied = {person.id for person in client.participants(job.source_id)}
    new = [person for person in enrolled if person.id not in copied]
    if new:
        also = "enrolled, but not in the source."
        raise Kept(_people(len(new), f"is {also}", f"are {also}"))


def _people(count: int, one: str, many: str) -> str:
    return f"1 person {one}" if count == 1 else f"{count:,} people {many}"
