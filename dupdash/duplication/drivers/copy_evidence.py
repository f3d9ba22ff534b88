"""Defines the evidence about a copy that lookups in Moodle have given. It is stored with the job as JSON."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from dupdash.moodle.records import Course

# A course counts as gone after this many lookups in a row did not find it, because a single lookup may be wrong.
MISSES_UNTIL_GONE = 3


@dataclass(frozen=True)
class CourseSnapshot:
    """A course as one lookup showed it. ``sections`` and ``activities`` are None if its contents were not read.

    If the service account may not see these settings, ``visible`` is True and ``has_start_date`` is False.
    """

    id: int
    shortname: str
    fullname: str
    visible: bool
    category_id: int
    sections: int | None = None
    activities: int | None = None
    has_start_date: bool = False

    @classmethod
    def from_course(cls, course: Course) -> "CourseSnapshot":
        return cls(
            course.id,
            course.shortname,
            course.fullname,
            course.visible is not False,
            course.category_id,
            has_start_date=bool(course.startdate),
        )


@dataclass(frozen=True)
class ExpectedCopy:
    """The copy that a job expects: its names, and the courses that cannot be the copy (``not_ours``).

    Those courses existed before the request was sent, or are proven to be copies of other jobs.
    """

    shortname: str
    fullname: str
    category_id: int
    source_shortname: str
    not_ours: frozenset[int]
    # A pause between two lookups counts as observed time for this many seconds at most.
    gap: float = 60.0


@dataclass(frozen=True)
class Observation:
    """The result of one round of lookups. ``at``: when it began, in seconds since the epoch."""

    at: float
    courses: tuple[CourseSnapshot, ...] = ()
    # The ids that were looked up and not found.
    missing: frozenset[int] = frozenset()
    # Whether the requested short name was among the lookups.
    requested_name_looked_up: bool = False


@dataclass(frozen=True)
class TrackedCourse:
    """A course that is or may be the copy, as the last lookups showed it."""

    id: int
    shortname: str
    fullname: str
    visible: bool
    category_id: int
    first_seen: float
    last_lookup_at: float
    sections: int = 0
    activities: int = 0
    has_start_date: bool = False
    # Seconds of observed time for which the course did not change.
    unchanged: float = 0.0
    # The course was seen with a temporary name, so it gets the requested names back only at the very end.
    renamed: bool = False
    # How many lookups in a row did not find the course.
    missing: int = 0
    # The last lookup showed the requested names and contents.
    has_names_and_contents: bool = False
    # The course has names and contents, and is not the hidden row that a restore begins with. It will not change.
    complete: bool = False

    @property
    def is_past_hidden_row(self) -> bool:
        """Whether the course is more than the hidden row that a restore creates first and may leave behind.

        If such a course has the requested names, the copy is complete, because a restore sets them at its very end.
        """
        return self.visible or self.renamed or self.has_start_date


@dataclass(frozen=True)
class CopyEvidence:
    """The results of all lookups so far. Times are seconds since the epoch."""

    # The course that is proven to be the copy.
    course_id: int | None = None
    # The course that Moodle's answer names. It is proven once a lookup shows the requested names.
    answered: int | None = None
    # When restore was first seen to run, and when the contents of the copy were first seen.
    restore_at: float | None = None
    content_at: float | None = None
    # When the requested short name was last looked up after sending.
    requested_name_at: float | None = None
    courses: tuple[TrackedCourse, ...] = ()

    @property
    def own(self) -> TrackedCourse | None:
        """The course that is proven to be the copy, or else the one that Moodle's answer names; None without one."""
        own_id = self.answered if self.course_id is None else self.course_id
        return next((course for course in self.courses if course.id == own_id), None)

    @property
    def is_answer_confirmed(self) -> bool:
        """Whether the proven course is the one that Moodle's answer names. Then Moodle has completed it."""
        return self.course_id is not None and self.course_id == self.answered

    @property
    def candidates(self) -> tuple[TrackedCourse, ...]:
        return tuple(course for course in self.courses if course is not self.own)

    @property
    def present_candidates(self) -> tuple[TrackedCourse, ...]:
        return tuple(course for course in self.candidates if course.missing < MISSES_UNTIL_GONE)

    @property
    def is_complete_in_moodle(self) -> bool:
        """Whether the copy is proven and complete, and was found by the last lookup."""
        return self.course_id is not None and self.own is not None and self.own.complete and not self.own.missing

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "CopyEvidence":
        """Return the evidence that ``to_json`` converted to ``stored``. An empty dictionary means no evidence."""
        known = {field.name: stored[field.name] for field in fields(cls) if field.name in stored}
        return cls(**{**known, "courses": tuple(TrackedCourse(**course) for course in stored.get("courses", []))})
