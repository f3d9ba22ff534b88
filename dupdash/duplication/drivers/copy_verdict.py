"""Judges from lookups in Moodle whether a copy is in progress, finished, partial or gone. Uses no database or network.

While Moodle makes a copy, lookups show these stages (measured on Moodle 4.5.6). During the backup they find nothing.
Then they find a hidden row with the requested names, without sections and without a start date; for a few milliseconds
its context does not exist. A moment later the same row is visible, and has a temporary name and the start date of the
source or of the request. Near the end all its contents appear at once. At the end it has the requested names.

A lookup that finds the row before its context exists breaks the copy. So the requested short name is not looked up
while the request may be running. A course with a temporary name is a *candidate*: it shows the phase, and is looked up
by its id from then on. It is *proven* to be the copy when it has the requested names, or when Moodle's answer names it
(docs/architecture.md, "Evidence").
"""

from dataclasses import asdict, replace
from enum import StrEnum

from dupdash.duplication.drivers.copy_evidence import (
    MISSES_UNTIL_GONE,
    CopyEvidence,
    CourseSnapshot,
    ExpectedCopy,
    Observation,
    TrackedCourse,
)
from dupdash.duplication.drivers.temporary_names import is_temporary_short_name, same_name


class Verdict(StrEnum):
    UNSEEN = "unseen"
    IN_PROGRESS = "in progress"
    FINISHED = "finished"
    PARTIAL = "partial"
    # No course is proven, and no candidate changed for the whole time limit.
    LIKELY_PARTIAL = "likely partial"
    GONE = "gone"


def apply_observation(evidence: CopyEvidence, expected: ExpectedCopy, observation: Observation) -> CopyEvidence:
    """Return the evidence after one more round of lookups.

    An observation that is older than the last lookup of a course changes nothing about this course, except that it can
    still prove that the course is the copy.
    """
    courses = {course.id: course for course in evidence.courses if course.id not in expected.not_ours}
    for snapshot in observation.courses:
        if snapshot.id not in expected.not_ours:
            courses[snapshot.id] = _track(courses.get(snapshot.id), expected, snapshot, observation.at)
    for course_id in observation.missing & courses.keys():
        if observation.at >= courses[course_id].last_lookup_at:
            courses[course_id] = replace(
                courses[course_id], missing=courses[course_id].missing + 1, last_lookup_at=observation.at
            )
    at = observation.at if observation.requested_name_looked_up else evidence.requested_name_at
    evidence = replace(evidence, courses=tuple(courses[id] for id in sorted(courses)), requested_name_at=at)
    evidence = _prove(evidence, expected, observation)
    likely = [course for course in evidence.courses if course is evidence.own or is_likely(course, expected)]
    if evidence.restore_at is None and likely:
        evidence = replace(evidence, restore_at=observation.at)
    if evidence.content_at is None and any(course.sections for course in likely):
        evidence = replace(evidence, content_at=observation.at)
    return evidence


def apply_answer(evidence: CopyEvidence, course_id: int, at: float) -> CopyEvidence:
    """Return the evidence after Moodle's answer named a course, before a lookup confirms it.

    Another course that was proven until then becomes a candidate.
    """
    proven = evidence.course_id if evidence.course_id == course_id else None
    courses = {course.id: course for course in evidence.courses}
    known = courses.get(course_id) or TrackedCourse(course_id, "", "", False, 0, first_seen=at, last_lookup_at=at)
    # Moodle answers at the very end, so the course has had its temporary name.
    courses[course_id] = replace(known, renamed=True)
    return replace(evidence, course_id=proven, answered=course_id, courses=tuple(courses[id] for id in sorted(courses)))


def judge(evidence: CopyEvidence, partial_after: float, hidden_after: float = 60.0) -> Verdict:
    """Return the verdict on a copy.

    ``partial_after``: the seconds for which an incomplete course must not change before it counts as partial. A healthy
    copy does not change for a third of its duration, so this should be a whole expected duration.
    ``hidden_after``: the seconds for which a hidden course with names and contents must not change before it counts as
    finished. This wait is needed, because a restore begins with a hidden row.
    """
    own = evidence.own
    if own is None:
        present = evidence.present_candidates
        if not present:
            return Verdict.UNSEEN
        unchanged = all(one.unchanged >= partial_after for one in present)
        return Verdict.LIKELY_PARTIAL if unchanged else Verdict.IN_PROGRESS
    if own.missing:
        return Verdict.GONE if own.missing >= MISSES_UNTIL_GONE else Verdict.IN_PROGRESS
    if own.complete or evidence.is_answer_confirmed:
        return Verdict.FINISHED
    if own.has_names_and_contents:
        return Verdict.FINISHED if own.unchanged >= min(partial_after, hidden_after) else Verdict.IN_PROGRESS
    if own.unchanged < partial_after:
        return Verdict.IN_PROGRESS
    return Verdict.LIKELY_PARTIAL if evidence.course_id is None else Verdict.PARTIAL


def is_likely(course: TrackedCourse, expected: ExpectedCopy) -> bool:
    """Return whether a candidate is probably the copy.

    It is in the requested category, it had a temporary name, and the last lookup found it.
    """
    return course.category_id == expected.category_id and course.renamed and not course.missing


def is_empty(sections: int, activities: int) -> bool:
    """Return whether a course has no activities, and at most its first section.

    Moodle creates this section when anybody opens the course.
    """
    return sections <= 1 and not activities


def matches_request(course: CourseSnapshot | TrackedCourse, expected: ExpectedCopy) -> bool:
    """Return whether a course can be the copy and has the requested short name, full name and category.

    The short name alone is not enough: somebody else may have taken it between dupdash's lookup and its request.
    """
    return (
        course.id not in expected.not_ours
        and has_requested_names(course, expected)
        and course.category_id == expected.category_id
        and same_name(course.fullname, expected.fullname)
    )


def has_requested_names(course: CourseSnapshot | TrackedCourse, expected: ExpectedCopy) -> bool:
    """Return whether a course has the requested names, not temporary ones.

    The short name decides. If the requested short name could be a temporary one, the full name must match, too.
    """
    ambiguous = is_temporary_short_name(expected.shortname, expected.source_shortname)
    return same_name(course.shortname, expected.shortname) and (
        not ambiguous or same_name(course.fullname, expected.fullname)
    )


def _prove(evidence: CopyEvidence, expected: ExpectedCopy, observation: Observation) -> CopyEvidence:
    if evidence.course_id is not None:
        return evidence
    shown = {course.id: course for course in observation.courses if course.id not in expected.not_ours}
    if evidence.answered is not None:
        answered = shown.get(evidence.answered)
        return evidence if answered is None else _confirm_answer(evidence, expected, answered)
    named = [course for course in shown.values() if matches_request(course, expected)]
    # If two courses match, neither is proven.
    return replace(evidence, course_id=named[0].id) if len(named) == 1 else evidence


def _confirm_answer(evidence: CopyEvidence, expected: ExpectedCopy, answered: CourseSnapshot) -> CopyEvidence:
    """Return the evidence after a lookup showed ``answered``, the course that Moodle's answer names.

    Moodle answers at the very end, so this course must have the requested names. If another course has the requested
    names and category, this course must have both, too. Otherwise the answer belongs to another request, and the
    evidence no longer contains it.
    """
    others = tuple(course for course in evidence.courses if course.id != answered.id)
    in_full = [course for course in others if matches_request(course, expected) and not course.missing]
    if (matches_request if in_full else has_requested_names)(answered, expected):
        return replace(evidence, course_id=answered.id)
    proven = in_full[0].id if len(in_full) == 1 else None
    return replace(evidence, course_id=proven, answered=None, courses=others)


def _track(known: TrackedCourse | None, expected: ExpectedCopy, snapshot: CourseSnapshot, at: float) -> TrackedCourse:
    """Return the tracked course after one more snapshot. ``known``: what is known of it; None for a new course.

    The time between two lookups counts for at most ``expected.gap`` seconds, because Moodle may have been down or a
    clock may have been set meanwhile. Without this limit a healthy copy could seem unchanged for too long.
    """
    if known is not None and at < known.last_lookup_at:
        return known
    sections = (known.sections if known else 0) if snapshot.sections is None else snapshot.sections
    activities = (known.activities if known else 0) if snapshot.activities is None else snapshot.activities
    named = has_requested_names(snapshot, expected)
    renamed = (known is not None and known.renamed) or (
        not named and is_temporary_short_name(snapshot.shortname, expected.source_shortname)
    )
    shown = asdict(snapshot) | {"sections": sections, "activities": activities}
    changed = known is None or any(getattr(known, name) != value for name, value in shown.items())
    read_now = bool(snapshot.sections)
    tracked = TrackedCourse(
        **shown,
        first_seen=known.first_seen if known else at,
        last_lookup_at=at,
        unchanged=0.0 if known is None or changed else known.unchanged + min(at - known.last_lookup_at, expected.gap),
        renamed=renamed,
    )
    # Moodle creates a first section in the hidden row as soon as its contents are read.
    hidden_row = not tracked.is_past_hidden_row and is_empty(sections, activities)
    has_names_and_contents = sections > 0 and named and not hidden_row
    return replace(
        tracked,
        has_names_and_contents=has_names_and_contents,
        # A single wrong answer about the contents must not turn the hidden row of a restore into a complete copy.
        complete=(known is not None and known.complete)
        or (read_now and has_names_and_contents and tracked.is_past_hidden_row),
    )
