"""Confirms the copy that Moodle's answer names, and compares it with its source, after the slot was freed."""

import time
from dataclasses import dataclass, replace

from dupdash.duplication.drivers.copy_contents import NOT_LISTED, contents_of_copy
from dupdash.duplication.drivers.copy_evidence import CopyEvidence, CourseSnapshot, ExpectedCopy, Observation
from dupdash.duplication.drivers.copy_verdict import apply_observation, has_requested_names, matches_request
from dupdash.duplication.drivers.lookup import changes_from_evidence, evidence_of, expected_copy_after_sending
from dupdash.duplication.engine.comparison import Report
from dupdash.duplication.engine.deletion import Guard
from dupdash.duplication.engine.job_endings import finish, start_checking
from dupdash.duplication.engine.verification import verify
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.transitions import record_event
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError


@dataclass(frozen=True)
class EndedCopy:
    """The result of a lookup of a copy, after Moodle ended the request."""

    observation: Observation
    # The comparison with the source; None if no course is the copy, or if the comparison was not possible.
    report: Report | None = None


def read_ended_copy(
    job: DuplicationJob, client: MoodleClient, evidence: CopyEvidence, expected: ExpectedCopy
) -> EndedCopy:
    """Look up the copy once and compare it with its source. Uses no database, so threads can call it.

    Raises MoodleError if the copy cannot be looked up, or if its contents cannot be read and Moodle's answer does not
    name this course.
    """
    at = time.time()
    own = evidence.own
    if own is not None:
        course = client.course_by_id(own.id)
        found = [course] if course is not None else []
    else:
        found = list(client.courses_by_shortname(expected.shortname))
    snapshots = [CourseSnapshot.from_course(course) for course in found]
    named = [one for one in snapshots if one.id not in expected.not_ours and has_requested_names(one, expected)]
    missing = frozenset({own.id}) if own is not None and not found else frozenset()
    report = None
    if len(named) == 1:
        try:
            contents = contents_of_copy(client, named[0].id)
        except MoodleError:
            # If Moodle's answer names this course, it is complete. The comparison is made later.
            if named[0].id != evidence.answered:
                raise
        else:
            shown = replace(named[0], sections=contents.section_count, activities=contents.activities)
            snapshots = [shown if one.id == shown.id else one for one in snapshots]
            report = verify(job, shown.id, client, copy=None if contents is NOT_LISTED else contents)
    return EndedCopy(Observation(at, tuple(snapshots), missing, own is None), report)


def confirm(job: DuplicationJob, client: MoodleClient, *, guard: Guard) -> None:
    """End a job whose copy Moodle's answer names. If the answer cannot be confirmed now, start checking.

    The answer stays in the evidence, unless a lookup shows that it belongs to another request. ``guard``: as for
    ``move_job``. Raises StaleJob if another process changed the job.
    """
    evidence, expected = evidence_of(job), expected_copy_after_sending(job)
    answered = evidence.answered
    try:
        copy = read_ended_copy(job, client, evidence, expected)
    except MoodleError as error:
        reason = f"Moodle's answer names course {answered}, which cannot be confirmed now: {error}"
        start_checking(job, reason, guard=guard)
        return
    after = apply_observation(evidence, expected, copy.observation)
    changes = changes_from_evidence(after, job)
    own = after.own
    if after.is_answer_confirmed and own is not None and not own.missing and own.visible == job.visible:
        if others := [course.id for course in after.candidates if matches_request(course, expected)]:
            reason = (
                f"According to Moodle’s answer, course {own.id} is the copy. Course {others[0]} has the same full name "
                "and short name, but it is not this copy."
            )
            record_event(job, kind="course_corrected", reason=reason, guard=guard, **changes)
        finish(job, own.id, client, guard=guard, report=copy.report, **changes)
        return
    start_checking(job, _why_unconfirmed(job, after, answered), guard=guard, **changes)


def _why_unconfirmed(job: DuplicationJob, evidence: CopyEvidence, answered: int | None) -> str:
    named = f"Moodle's answer names course {answered}"
    own = evidence.own
    if evidence.answered is None:
        if evidence.course_id is None:
            return f"{named}, which does not have the requested names."
        return f"{named}, but course {evidence.course_id} has the requested names and category."
    if own is None or own.missing:
        return f"{named}, which was not found."
    if job.visible:
        return f"{named}, which is hidden, although a visible course was requested."
    return f"{named}, which is visible, although a hidden course was requested."
