"""Judge from lookups in Moodle whether a copy is going on, finished, partial or gone. No database, no network.

A copy shows itself like this (measured on Moodle 4.5.6): nothing while the backup runs; then a hidden row under the
requested names, without sections, whose context does not exist for some milliseconds; a moment later the same row under
its source's short name and a counter, visible; near the end its contents, all at once; and last the requested names.

A lookup that finds the row before its context exists breaks the copy, so nothing looks for the requested short name
while the request may be under way. A course under a temporary name is a *candidate*: it shows the phase, and is looked
up by its id from then on. It is *proven* to be the copy when it carries the requested names, or when Moodle's answer
named it (docs/architecture.md, "Evidence").
"""

from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from dupdash.duplication.drivers.names import is_temporary_short_name, same_name
from dupdash.moodle.records import Course

# So many lookups in a row must not find a course before it counts as gone: one may be a fault of the lookup.
MISSING_BELIEVED = 3


@dataclass(frozen=True)
class CourseSnapshot:
    """A course as one lookup showed it. ``sections`` is None where its contents were not read."""

    id: int
    shortname: str
    fullname: str
    visible: bool
    category_id: int
    sections: int | None = None
    activities: int | None = None

    @classmethod
    def from_course(cls, course: Course) -> "CourseSnapshot":
        return cls(course.id, course.shortname, course.fullname, course.visible is not False, course.category_id)


@dataclass(frozen=True)
class ExpectedCopy:
    """What the copy will be called, and which courses cannot be it: they existed before the request was sent, or are
    proven to be copies of other jobs."""

    shortname: str
    fullname: str
    category_id: int
    source_shortname: str
    not_ours: frozenset[int]
    # Seconds between two lookups that count as observed at the most.
    gap: float = 60.0


@dataclass(frozen=True)
class Observation:
    """What one round of lookups showed."""

    at: float
    courses: tuple[CourseSnapshot, ...] = ()
    # The ids that were looked up and not found.
    missing: frozenset[int] = frozenset()
    # Whether the requested short name was looked up.
    looked_for_requested_name: bool = False


@dataclass(frozen=True)
class TrackedCourse:
    """A course that is the copy or may be it, as it was last seen."""

    id: int
    shortname: str
    fullname: str
    visible: bool
    category_id: int
    first_seen: float
    looked_at: float
    sections: int = 0
    activities: int = 0
    # Seconds for which it was observed to stay the same.
    unchanged: float = 0.0
    # It was seen under a name that restore gives, so that the requested names come back at the very end only.
    renamed: bool = False
    # How many lookups in a row did not find it.
    missing: int = 0
    # It has the requested names and contents, as the last lookup shows.
    has_all: bool = False
    # It has all and is past the row that a restore begins with: nothing more will happen to it.
    complete: bool = False


@dataclass(frozen=True)
class CopyEvidence:
    """What is known after all lookups so far. Times are seconds since the epoch."""

    # The course that is proven to be the copy.
    course_id: int | None = None
    # The course that Moodle's answer names; it is not proven before a lookup shows it under the requested names.
    answered: int | None = None
    # When restore was first seen to run, and when the contents of the copy were first seen.
    restore_at: float | None = None
    content_at: float | None = None
    # When the requested short name was last looked up after sending.
    requested_name_at: float | None = None
    courses: tuple[TrackedCourse, ...] = ()

    @property
    def own(self) -> TrackedCourse | None:
        """The course that is proven to be the copy, or that Moodle's answer names, as last seen."""
        own_id = self.answered if self.course_id is None else self.course_id
        return next((course for course in self.courses if course.id == own_id), None)

    @property
    def is_answer_confirmed(self) -> bool:
        """Whether the proven course is the one that Moodle's answer named: Moodle has completed it."""
        return self.course_id is not None and self.course_id == self.answered

    @property
    def candidates(self) -> tuple[TrackedCourse, ...]:
        return tuple(course for course in self.courses if course is not self.own)

    @property
    def present_candidates(self) -> tuple[TrackedCourse, ...]:
        return tuple(course for course in self.candidates if course.missing < MISSING_BELIEVED)

    @property
    def is_there_complete(self) -> bool:
        """Whether the copy is proven and complete, and the last lookup found it."""
        return self.course_id is not None and self.own is not None and self.own.complete and not self.own.missing

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "CopyEvidence":
        """What ``to_json`` gave; an empty dictionary means that nothing is known."""
        known = {field.name: stored[field.name] for field in fields(cls) if field.name in stored}
        return cls(**{**known, "courses": tuple(TrackedCourse(**course) for course in stored.get("courses", []))})


class Verdict(StrEnum):
    UNSEEN = "unseen"
    GOING_ON = "going on"
    FINISHED = "finished"
    PARTIAL = "partial"
    # No course is proven, and no candidate changed for the whole limit.
    LIKELY_PARTIAL = "likely partial"
    GONE = "gone"


def apply_observation(evidence: CopyEvidence, expected: ExpectedCopy, observation: Observation) -> CopyEvidence:
    """The evidence after one more round of lookups. An older one than the last can prove, but not undo."""
    courses = {course.id: course for course in evidence.courses if course.id not in expected.not_ours}
    for snapshot in observation.courses:
        if snapshot.id not in expected.not_ours:
            courses[snapshot.id] = _compare(courses.get(snapshot.id), expected, snapshot, observation.at)
    for course_id in observation.missing & courses.keys():
        if observation.at >= courses[course_id].looked_at:
            courses[course_id] = replace(
                courses[course_id], missing=courses[course_id].missing + 1, looked_at=observation.at
            )
    at = observation.at if observation.looked_for_requested_name else evidence.requested_name_at
    evidence = replace(evidence, courses=tuple(courses[id] for id in sorted(courses)), requested_name_at=at)
    evidence = _prove(evidence, expected, observation)
    likely = [course for course in evidence.courses if course is evidence.own or is_likely(course, expected)]
    if evidence.restore_at is None and likely:
        evidence = replace(evidence, restore_at=observation.at)
    if evidence.content_at is None and any(course.sections for course in likely):
        evidence = replace(evidence, content_at=observation.at)
    return evidence


def apply_answer(evidence: CopyEvidence, course_id: int, at: float) -> CopyEvidence:
    """The evidence after Moodle's answer named the course, which a lookup is still to confirm.

    Another course that was taken for the copy becomes a candidate.
    """
    proven = evidence.course_id if evidence.course_id == course_id else None
    courses = {course.id: course for course in evidence.courses}
    known = courses.get(course_id) or TrackedCourse(course_id, "", "", False, 0, first_seen=at, looked_at=at)
    # Moodle answers at the very end: the course has been through its temporary name.
    courses[course_id] = replace(known, renamed=True)
    return replace(evidence, course_id=proven, answered=course_id, courses=tuple(courses[id] for id in sorted(courses)))


def judge(evidence: CopyEvidence, still: float, settled: float = 60.0) -> Verdict:
    """What the evidence means. ``still``: seconds a course must be observed unchanged before it counts as partial;
    ``settled``: before a hidden one that has all counts as finished, for every restore begins with a hidden row.

    A healthy copy does not change for a third of its life, so ``still`` is one whole expected duration.
    """
    own = evidence.own
    if own is None:
        present = evidence.present_candidates
        if not present:
            return Verdict.UNSEEN
        return Verdict.LIKELY_PARTIAL if all(one.unchanged >= still for one in present) else Verdict.GOING_ON
    if own.missing:
        return Verdict.GONE if own.missing >= MISSING_BELIEVED else Verdict.GOING_ON
    if own.complete or evidence.is_answer_confirmed:
        return Verdict.FINISHED
    if own.has_all:
        return Verdict.FINISHED if own.unchanged >= min(still, settled) else Verdict.GOING_ON
    if own.unchanged < still:
        return Verdict.GOING_ON
    return Verdict.LIKELY_PARTIAL if evidence.course_id is None else Verdict.PARTIAL


def is_likely(course: TrackedCourse, expected: ExpectedCopy) -> bool:
    """Whether a candidate is likely the copy: in its category, and seen under a name that restore gives to it."""
    return course.category_id == expected.category_id and course.renamed and not course.missing


def is_empty_shell(sections: int, activities: int) -> bool:
    """Whether a course has nothing but the first section, which Moodle makes as soon as anybody opens the course."""
    return sections <= 1 and not activities


def matches_request(course: CourseSnapshot | TrackedCourse, expected: ExpectedCopy) -> bool:
    """Whether a course that carries the requested short name can be the one that was sent for.

    Beside the short name, which somebody else may have taken between our lookup and our request: the category and the
    full name.
    """
    return (
        course.id not in expected.not_ours
        and has_requested_names(course, expected)
        and course.category_id == expected.category_id
        and same_name(course.fullname, expected.fullname)
    )


def has_requested_names(course: CourseSnapshot | TrackedCourse, expected: ExpectedCopy) -> bool:
    """Whether a course carries the requested names, and not those that restore gives it while it works.

    The short name decides, unless the requested one is itself a short name that restore uses.
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
    # Two courses that both could be the copy: which is whose is unknowable, so neither is proven.
    return replace(evidence, course_id=named[0].id) if len(named) == 1 else evidence


def _confirm_answer(evidence: CopyEvidence, expected: ExpectedCopy, answered: CourseSnapshot) -> CopyEvidence:
    """The evidence after a lookup showed the course that Moodle's answer names.

    Moodle answers at the very end, so this course must carry the requested short name; where another course matches the
    request in full, this one must do so, too. Otherwise the answer was meant for something else, and is dropped.
    """
    others = tuple(course for course in evidence.courses if course.id != answered.id)
    in_full = [course for course in others if matches_request(course, expected) and not course.missing]
    if (matches_request if in_full else has_requested_names)(answered, expected):
        return replace(evidence, course_id=answered.id)
    proven = in_full[0].id if len(in_full) == 1 else None
    return replace(evidence, course_id=proven, answered=None, courses=others)


def _compare(known: TrackedCourse | None, expected: ExpectedCopy, snapshot: CourseSnapshot, at: float) -> TrackedCourse:
    """A tracked course after one more snapshot of it.

    A gap between two lookups counts for ``expected.gap`` at most, because Moodle may have been paused in it, or a clock
    was set. Otherwise long gaps would turn the third of its life in which a healthy copy does not change into more.
    """
    if known is not None and at < known.looked_at:
        return known
    sections = (known.sections if known else 0) if snapshot.sections is None else snapshot.sections
    activities = (known.activities if known else 0) if snapshot.activities is None else snapshot.activities
    named = has_requested_names(snapshot, expected)
    renamed = (known is not None and known.renamed) or (
        not named and is_temporary_short_name(snapshot.shortname, expected.source_shortname)
    )
    # Whatever its names say, a hidden course without contents is what every restore begins with, and what a failed one
    # leaves behind; one that was renamed before is past that.
    empty = not snapshot.visible and not renamed and is_empty_shell(sections, activities)
    has_all = sections > 0 and named and not empty
    shown = asdict(snapshot) | {"sections": sections, "activities": activities}
    changed = known is None or any(getattr(known, name) != value for name, value in shown.items())
    read_now = bool(snapshot.sections)
    return TrackedCourse(
        **shown,
        first_seen=known.first_seen if known else at,
        looked_at=at,
        unchanged=0.0 if known is None or changed else known.unchanged + min(at - known.looked_at, expected.gap),
        renamed=renamed,
        has_all=has_all,
        # One answer with the contents of another course must not make a copy of the row that a restore begins with.
        complete=(known is not None and known.complete) or (read_now and has_all and (snapshot.visible or renamed)),
    )
