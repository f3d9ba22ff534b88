"""Judging from looks at Moodle whether a copy is going on, finished, partial or gone. Pure: no database, no network.

A copy shows itself like this (measured on Moodle 4.5.6): nothing while the backup runs; then a hidden row under
the requested names, without sections; a moment later the same row under its source's short name and
a counter, visible; near the end its contents, all at once; and last the requested names again.

Proof that a course is ours is its id under the requested short name after we sent. A new course named after the
source may also be somebody's own restore: a candidate, good for showing a phase, never for deleting.
"""

import re
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from dupdash.moodle.records import Course

# The counters that are looked up beyond the first free one: Moodle skips a number whose full name is taken.
NAMES_BEYOND = 5
SHORT_NAME_LONGEST = 100


@dataclass(frozen=True)
class CourseSnapshot:
    """A course as one look showed it."""

    id: int
    shortname: str
    fullname: str
    visible: bool
    category_id: int

    @classmethod
    def from_course(cls, course: Course) -> "CourseSnapshot":
        return cls(course.id, course.shortname, course.fullname, course.visible is not False, course.category_id)


@dataclass(frozen=True)
class ExpectedCopy:
    """What the copy will be called, and which courses cannot be it: they were there before the request was sent, or
    are proven to be other jobs'."""

    shortname: str
    fullname: str
    category_id: int
    source_shortname: str
    not_ours: frozenset[int]
    # Seconds between two looks that count as observed at the most.
    gap: float = 60.0


@dataclass(frozen=True)
class Observation:
    """What one look at Moodle showed. None: that was not looked at."""

    at: float
    # Courses under the requested short name.
    named: tuple[CourseSnapshot, ...] | None = None
    # The course with the id that is known to be ours.
    own: CourseSnapshot | None = None
    own_is_missing: bool = False
    # Courses under the source's short name and a counter.
    temporary: tuple[CourseSnapshot, ...] | None = None
    # The number of sections and activities of the course that is known to be ours.
    sections: int | None = None
    activities: int | None = None


@dataclass(frozen=True)
class CopyEvidence:
    """What is known after all looks so far. Times are seconds since the epoch."""

    course_id: int | None = None
    seen_at: float | None = None
    # When restore was first seen to run: by our course, or by a likely one.
    restore_at: float | None = None
    content_at: float | None = None
    # Its names and contents as last seen, and for how many seconds it was observed to be like that.
    last: CourseSnapshot | None = None
    sections: int = 0
    activities: int = 0
    unchanged: float = 0.0
    looked_at: float | None = None
    # It was seen under other names than the requested ones, so that these come back at the very end only.
    renamed: bool = False
    # It has the requested names and sections, as far as the last look shows.
    has_all: bool = False
    # It has all and is past the row that a restore begins with: nothing more will happen to it.
    complete: bool = False
    # How many looks in a row did not find the course with the known id.
    missing: int = 0
    candidates: tuple[CourseSnapshot, ...] = ()

    @property
    def is_there_complete(self) -> bool:
        """Whether the copy is complete, and the last look found it."""
        return self.complete and not self.missing and self.course_id is not None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "CopyEvidence":
        """What ``to_json`` gave, also that of another version; an empty dictionary is "nothing is known"."""
        last = stored.get("last")
        known = {field.name: stored[field.name] for field in fields(cls) if field.name in stored}
        return cls(
            **{
                **known,
                "last": CourseSnapshot(**last) if last else None,
                "candidates": tuple(CourseSnapshot(**candidate) for candidate in stored.get("candidates", [])),
            }
        )


class Verdict(StrEnum):
    UNSEEN = "unseen"
    GOING_ON = "going on"
    FINISHED = "finished"
    PARTIAL = "partial"
    GONE = "gone"


def same_name(one: str, other: str) -> bool:
    """Whether two names are equal to Moodle: regardless of case and of white space around and between words."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def temporary_short_name(source_shortname: str, counter: int) -> str:
    """What restore calls a copy while it works: the source's short name, cut to fit 100 characters with the counter."""
    suffix = f"_{counter}"
    return source_shortname[: SHORT_NAME_LONGEST - len(suffix)] + suffix


def is_temporary_short_name(shortname: str, source_shortname: str) -> bool:
    """Whether a short name is the source's and a counter, as ``temporary_short_name`` makes it."""
    counter = re.search(r"_([1-9][0-9]*)\Z", shortname)
    return counter is not None and same_name(shortname, temporary_short_name(source_shortname, int(counter.group(1))))


def apply_observation(facts: CopyEvidence, wanted: ExpectedCopy, look: Observation) -> CopyEvidence:
    """The facts after one more look. A look that is older than the last one can prove, but not undo."""
    facts = _prove(facts, wanted, look)
    facts = _collect_candidates(facts, wanted, look)
    if facts.restore_at is None and (facts.course_id is not None or facts.candidates):
        facts = replace(facts, restore_at=look.at)
    if facts.looked_at is not None and look.at < facts.looked_at:
        return facts
    since = 0.0 if facts.looked_at is None else look.at - facts.looked_at
    facts = replace(facts, looked_at=look.at)
    own = _own_course(facts, look)
    if own is None:
        if look.own_is_missing and facts.course_id is not None:
            return replace(facts, missing=facts.missing + 1)
        return facts
    return _compare(facts, wanted, look, own, since)


def apply_answer(facts: CopyEvidence, course_id: int, at: float) -> CopyEvidence:
    """The facts after Moodle's answer named the course. What was seen of another one under the same names, made by
    somebody meanwhile, is a candidate from now on."""
    if facts.course_id == course_id:
        return replace(facts, renamed=True)
    others = [one for one in (*facts.candidates, facts.last) if one is not None and one.id != course_id]
    return CopyEvidence(
        course_id=course_id,
        seen_at=facts.seen_at or at,
        restore_at=facts.restore_at,
        looked_at=facts.looked_at,
        # Moodle answers at the very end.
        renamed=True,
        candidates=tuple(sorted(others, key=lambda one: one.id)),
    )


def judge(facts: CopyEvidence, still: float, settled: float = 60.0) -> Verdict:
    """What the facts mean. ``still``: seconds a course must be observed unchanged before it counts as partial;
    ``settled``: before a hidden one that has all counts as finished, for so begins every restore, too.

    A healthy copy looks unchanged for a third of its life, so ``still`` is one whole expected duration.
    One look that does not find a course may be a fault of the look: three in a row are believed.
    """
    if facts.course_id is None:
        return Verdict.UNSEEN
    if facts.missing:
        return Verdict.GONE if facts.missing >= 3 else Verdict.GOING_ON
    if facts.complete:
        return Verdict.FINISHED
    if facts.has_all:
        return Verdict.FINISHED if facts.unchanged >= min(still, settled) else Verdict.GOING_ON
    return Verdict.PARTIAL if facts.unchanged >= still else Verdict.GOING_ON


def matches_request(course: CourseSnapshot, wanted: ExpectedCopy) -> bool:
    """Whether a course that carries the requested short name can be the one we sent for.

    Beside the short name, which somebody else may have taken between our lookup and our request: the category and the
    full name.
    """
    return (
        course.id not in wanted.not_ours
        and same_name(course.shortname, wanted.shortname)
        and course.category_id == wanted.category_id
        and same_name(course.fullname, wanted.fullname)
    )


def _prove(facts: CopyEvidence, wanted: ExpectedCopy, look: Observation) -> CopyEvidence:
    if facts.course_id is not None or look.named is None:
        return facts
    ours = [course for course in look.named if matches_request(course, wanted)]
    # Two courses that both could be ours: which is whose is unknowable, so neither is proven.
    if len(ours) != 1:
        return facts
    remaining = tuple(candidate for candidate in facts.candidates if candidate.id != ours[0].id)
    # It may have been a candidate under restore's own names.
    renamed = any(one.id == ours[0].id and not same_name(one.shortname, wanted.shortname) for one in facts.candidates)
    return replace(facts, course_id=ours[0].id, seen_at=look.at, renamed=renamed, candidates=remaining)


def _collect_candidates(facts: CopyEvidence, wanted: ExpectedCopy, look: Observation) -> CopyEvidence:
    # What was taken for one may be known by now as another job's.
    known = {candidate.id: candidate for candidate in facts.candidates if candidate.id not in wanted.not_ours}
    for course in (*(look.named or ()), *(look.temporary or ())):
        if course.id not in wanted.not_ours and course.id != facts.course_id:
            known[course.id] = course
    return replace(facts, candidates=tuple(known[id] for id in sorted(known)))


def _own_course(facts: CopyEvidence, look: Observation) -> CourseSnapshot | None:
    if look.own is not None and look.own.id == facts.course_id:
        return look.own
    return next((course for course in look.named or () if course.id == facts.course_id), None)


def _compare(
    facts: CopyEvidence, wanted: ExpectedCopy, look: Observation, own: CourseSnapshot, since: float
) -> CopyEvidence:
    """The facts after a look at our course, ``since`` seconds after the one before.

    In a long gap Moodle may have stood still itself, or a clock was set: no row of gaps may make a whole duration out
    of the third in which a healthy copy looks unchanged, however often that happens.
    """
    sections = facts.sections if look.sections is None else look.sections
    activities = facts.activities if look.activities is None else look.activities
    changed = (own, sections, activities) != (facts.last, facts.sections, facts.activities)
    has_content = look.sections is not None and look.sections > 0
    has_all = sections > 0 and _has_names_back(own, wanted)
    renamed = facts.renamed or not same_name(own.shortname, wanted.shortname)
    return replace(
        facts,
        last=own,
        sections=sections,
        activities=activities,
        unchanged=0.0 if changed else facts.unchanged + min(since, wanted.gap),
        content_at=look.at if has_content and facts.content_at is None else facts.content_at,
        renamed=renamed,
        has_all=has_all,
        # The row that a restore begins with carries the requested names too, hidden and without contents. One answer
        # with the contents of another course must not make it a copy.
        complete=facts.complete or (has_content and has_all and (own.visible or renamed)),
        missing=0,
    )


def _has_names_back(own: CourseSnapshot, wanted: ExpectedCopy) -> bool:
    """Whether a course carries the requested names, and not those that restore gives it while it works.

    The short name decides, unless the requested one is itself a short name that restore uses.
    """
    ambiguous = is_temporary_short_name(wanted.shortname, wanted.source_shortname)
    return same_name(own.shortname, wanted.shortname) and (not ambiguous or same_name(own.fullname, wanted.fullname))
