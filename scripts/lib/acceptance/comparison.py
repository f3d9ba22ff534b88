"""Compares a copy with its source, by reading both from Moodle. Results of dupdash's own verification are not used."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from .copies import CopyRequest
from .moodle import ENROLLED, START_COPY, Course, MoodleClient, Section

NAMED_MOST = 3


class Comparison:
    def __init__(self, client: MoodleClient, category: int, time_zone: ZoneInfo) -> None:
        self._client = client
        self._category = category
        self._time_zone = time_zone
        functions = client.functions()
        self._sees_people = ENROLLED in functions
        self._moves_activities = START_COPY in functions
        # Sources are read once, because they do not change during the run.
        self._source_contents = cache(client.contents)
        self._source = cache(client.course)
        self._source_people = cache(client.people)

    @property
    def note(self) -> str:
        """Return a note on what cannot be compared; "" if everything can."""
        return "" if self._sees_people else f"Who is enrolled is not compared: the token lacks {ENROLLED}"

    def problems(self, request: CopyRequest, copy: int) -> Iterator[str]:
        """Return the differences between a copy and its request."""
        course = self._client.course(copy)
        if course is None:
            yield "Moodle shows no course under the id of the copy"
            return
        yield from self._names_and_place(request, course)
        contents = self._client.contents(copy)
        with_activities = request.wants("activities", True)
        moved = request.startdate is not None
        source = self._source_contents(request.source)
        differences = list(_contents(source, contents, with_activities=with_activities, moved=moved))
        yield from differences
        yield from self._dates(request, course)
        if with_activities and not differences:
            yield from self._activity_dates(request, course, contents)
        if self._sees_people:
            yield from _people(request, self._source_people(request.source), self._client.people(copy))

    def _dates(self, request: CopyRequest, course: Course) -> Iterator[str]:
        """Return the dates of the copy that are not those of the source moved by as many days as the start date."""
        source = self._source(request.source)
        if source is None:
            yield "Moodle shows no course under the id of the source"
            return
        begins = self._local(source.startdate)
        days = timedelta(0) if request.startdate is None else request.startdate - begins.date()
        for name, before, after in (
            ("start", source.startdate, course.startdate),
            ("end", source.enddate, course.enddate),
        ):
            expected = self._local(before) + days if before else None
            if expected != (self._local(after) if after else None):
                yield f"its {name} is {self._local(after)}, expected {expected}"

    def _activity_dates(self, request: CopyRequest, course: Course, contents: tuple[Section, ...]) -> Iterator[str]:
        source = self._source(request.source)
        # Moodle moves dates by seconds, and only if the copy has a new start date.
        later = course.startdate - source.startdate if source and self._moves_activities else 0
        if _dated(self._source_contents(request.source), later) != _dated(contents, 0):
            yield f"the dates of its activities are not those of the source {later} seconds later"

    def _local(self, moment: int) -> datetime:
        """Return the local time of the site."""
        return datetime.fromtimestamp(moment, self._time_zone).replace(tzinfo=None)

    def _names_and_place(self, request: CopyRequest, course: Course) -> Iterator[str]:
        if course.shortname != request.stored_shortname:
            yield f"the short name is {course.shortname!r}, and {request.stored_shortname!r} was requested"
        if course.fullname != request.stored_fullname:
            yield f"the full name is {course.fullname!r}, and {request.stored_fullname!r} was requested"
        if course.category != self._category:
            yield f"it is in category {course.category}, and {self._category} was requested"
        if course.visible != request.visible:
            yield "students can see it" if course.visible else "students cannot see it"


def _contents(
    source: tuple[Section, ...], copy: tuple[Section, ...], *, with_activities: bool, moved: bool
) -> Iterator[str]:
    expected = tuple(section for section in source if with_activities or not section.component)
    yield from _differences("section", _sections(expected, moved=moved), _sections(copy, moved=moved))
    wanted = _activities(source) if with_activities else Counter()
    found = _activities(copy)
    yield from _differences("activity", wanted, found)
    if wanted == found and with_activities and _in_order(source) != _in_order(copy):
        yield "its activities are in another order"


def _sections(contents: tuple[Section, ...], *, moved: bool) -> Counter[tuple[object, ...]]:
    return Counter((section.place, _name(section, moved=moved), _seen(section.visible)) for section in contents)


def _name(section: Section, *, moved: bool) -> str:
    """Return the name of a section. A weekly course names its sections after dates, which a new start date moves."""
    dated = moved and any(character.isdecimal() for character in section.name)
    return "named after a date" if dated else section.name


def _in_order(contents: tuple[Section, ...]) -> list[tuple[object, ...]]:
    return sorted((section.place, section.activities) for section in contents)


def _dated(contents: tuple[Section, ...], later: int) -> Counter[tuple[object, ...]]:
    return Counter(
        (kind, name, tuple(moment + later for moment in moments))
        for section in contents
        for kind, name, moments in section.dates
    )


def _activities(contents: tuple[Section, ...]) -> Counter[tuple[object, ...]]:
    return Counter(
        (kind, name, _seen(visible), section.place)
        for section in contents
        for kind, name, visible in section.activities
    )


def _seen(visible: bool) -> str:
    return "visible" if visible else "hidden"


def _differences(what: str, source: Counter[tuple[object, ...]], copy: Counter[tuple[object, ...]]) -> Iterator[str]:
    for where, more in (("only in the source", source - copy), ("only in the copy", copy - source)):
        if more:
            named = "; ".join(", ".join(map(str, entry)) for entry in sorted(more, key=str)[:NAMED_MOST])
            yield f"{more.total()} × {what} {where}: {named}{' …' if len(more) > NAMED_MOST else ''}"


def _people(
    request: CopyRequest, source: dict[int, tuple[str, ...]], copy: dict[int, tuple[str, ...]]
) -> Iterator[str]:
    expected = source if request.wants("users", False) else {}
    if set(copy) != set(expected):
        yield f"{len(copy)} people are enrolled, expected {len(expected)}"
        return
    if not request.wants("role_assignments", False):
        expected = dict.fromkeys(expected, ())
    if copy != expected:
        yield f"their roles are {_roles(copy)}, expected {_roles(expected)}"


def _roles(people: dict[int, tuple[str, ...]]) -> str:
    counted = Counter("+".join(roles) or "none" for roles in people.values())
    return ", ".join(f"{count} × {role}" for role, count in sorted(counted.items()))
