"""From decoded JSON to records: tolerant of keys that are missing or new, strict about what we rely on.

Every function raises :class:`Unexpected` for a value that cannot be what Moodle promised; its text names
the place and never quotes the value. A list to choose from loses the records that cannot be read, and keeps the
others: ``readable``. Names are raw: they are read with ``moodlewssettingraw``. Shapes were measured on Moodle 4.5.6.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from dupdash.moodle.records import (
    Activity,
    AsyncResult,
    AsyncStatus,
    Category,
    Contact,
    Contents,
    Course,
    Duplicated,
    Section,
    SiteInfo,
    User,
)

T = TypeVar("T")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_BIGGEST = 2**63 - 1  # what a database can hold
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # no database takes these


class Unexpected(ValueError):
    """The answer does not have the shape that Moodle promises."""


def clean(text: str) -> str:
    """``text`` without what no database can store: NUL and lone surrogates."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def same_short_name(one: str, other: str) -> bool:
    """Whether a Moodle may take the two for the same short name.

    Without case, as MariaDB compares (PostgreSQL does not: equal there means equal here too), and without
    the blanks around, which MariaDB ignores at the end.
    """
    return one.strip().casefold() == other.strip().casefold()


@dataclass(frozen=True)
class Place:
    """Where in an answer a value stands, and what was left out of the answer so far."""

    path: str = "the answer"
    left_out: list[str] = field(default_factory=list)

    def key(self, key: str) -> "Place":
        return Place(f"{self.path}.{key}", self.left_out)

    def item(self, index: int) -> "Place":
        return Place(f"{self.path}[{index}]", self.left_out)

    def __str__(self) -> str:
        return self.path


# --- single values --------------------------------------------------------------------------------------


def an_object(value: object, where: Place) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Unexpected(f"{where} is not an object")
    return value


def a_list(value: object, where: Place) -> list[object]:
    if not isinstance(value, list):
        raise Unexpected(f"{where} is not a list")
    return value


def each(value: object, where: Place, read: Callable[[object, Place], T]) -> tuple[T, ...]:
    return tuple(read(item, where.item(index)) for index, item in enumerate(a_list(value, where)))


def readable(value: object, where: Place, read: Callable[[object, Place], T]) -> tuple[T, ...]:
    """The items of a list that can be read; the others are left out. Raises Unexpected where none can be read."""
    items = a_list(value, where)
    records: list[T] = []
    unreadable: list[str] = []
    for index, item in enumerate(items):
        try:
            records.append(read(item, where.item(index)))
        except Unexpected as unexpected:
            unreadable.append(str(unexpected))
    if unreadable and not records:
        raise Unexpected(unreadable[0])
    where.left_out.extend(unreadable)
    return tuple(records)


def integer(value: object, where: Place) -> int:
    """A whole number; one that arrives as text counts too, true and false do not."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _BIGGEST:
        raise Unexpected(f"{where} is not a whole number")
    return value


def identifier(value: object, where: Place) -> int:
    number = integer(value, where)
    if number < 1:
        raise Unexpected(f"{where} is not an id")
    return number


def text(value: object, where: Place) -> str:
    if not isinstance(value, str):
        raise Unexpected(f"{where} is not text")
    return clean(value)


def flag(value: object, where: Place) -> bool:
    """Yes or no: Moodle says 0 and 1, or false and true."""
    if isinstance(value, bool):
        return value
    number = integer(value, where)
    if number not in (0, 1):
        raise Unexpected(f"{where} is neither 0 nor 1")
    return bool(number)


def real(value: object, where: Place) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Unexpected(f"{where} is not a number") from None
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _BIGGEST or math.isnan(value):
        raise Unexpected(f"{where} is not a number")
    return float(value)


class Fields:
    """An object of an answer, read key by key."""

    def __init__(self, value: object, where: Place) -> None:
        self._where = where
        self._values = an_object(value, where)

    def must(self, key: str, read: Callable[[object, Place], T]) -> T:
        """The value of ``key``; raises Unexpected if there is none."""
        if key not in self._values:
            raise Unexpected(f"{self._where} has no {key}")
        return read(self._values[key], self._where.key(key))

    def may(self, key: str, read: Callable[[object, Place], T]) -> T | None:
        """The value of ``key``, None if it is missing or null."""
        return None if self._values.get(key) is None else self.must(key, read)


# --- records --------------------------------------------------------------------------------------------


def contact(value: object, where: Place) -> Contact:
    fields = Fields(value, where)
    return Contact(id=fields.must("id", identifier), fullname=fields.must("fullname", text))


def contacts(value: object, where: Place) -> tuple[Contact, ...]:
    return each(value, where, contact)


def course(value: object, where: Place) -> Course:
    """A course, from a look-up, a search or a person's list (which says ``category`` for ``categoryid``)."""
    fields = Fields(value, where)
    category_id = fields.may("categoryid", integer)
    return Course(
        id=fields.must("id", identifier),
        shortname=fields.must("shortname", text),
        fullname=fields.must("fullname", text),
        category_id=fields.must("category", integer) if category_id is None else category_id,
        category_name=fields.may("categoryname", text) or "",
        visible=fields.may("visible", flag),
        idnumber=fields.may("idnumber", text),
        startdate=fields.may("startdate", integer),
        enddate=fields.may("enddate", integer),
        timemodified=fields.may("timemodified", integer),
        contacts=fields.may("contacts", contacts) or (),
    )


def courses(value: object, where: Place) -> tuple[Course, ...]:
    """Courses to choose from."""
    return readable(value, where, course)


def found_courses(value: object, where: Place) -> tuple[Course, ...]:
    """``{"courses": [...], "warnings": [...]}``, the answer of a search."""
    return Fields(value, where).must("courses", courses)


def number_found(value: object, where: Place) -> int:
    """How many courses a search found, of which the answer holds one page."""
    return Fields(value, where).must("total", integer)


def looked_up_courses(value: object, where: Place) -> tuple[Course, ...]:
    """The same shape, for a lookup whose answer decides something: every course must be readable."""

    def every_course(items: object, inner: Place) -> tuple[Course, ...]:
        return each(items, inner, course)

    return Fields(value, where).must("courses", every_course)


def category(value: object, where: Place) -> Category:
    fields = Fields(value, where)
    return Category(
        id=fields.must("id", identifier),
        name=fields.must("name", text),
        parent=fields.must("parent", integer),
        depth=fields.must("depth", integer),
        path=fields.must("path", text),
        visible=fields.may("visible", flag),
        sortorder=fields.must("sortorder", integer),
        coursecount=fields.must("coursecount", integer),
    )


def categories(value: object, where: Place) -> tuple[Category, ...]:
    return readable(value, where, category)


def activity(value: object, where: Place) -> Activity:
    fields = Fields(value, where)
    visible = fields.may("visible", flag)
    return Activity(
        id=fields.must("id", identifier),
        name=fields.must("name", text),
        modname=fields.must("modname", text),
        visible=True if visible is None else visible,
    )


def activities(value: object, where: Place) -> tuple[Activity, ...]:
    return readable(value, where, activity)


def section(value: object, where: Place) -> Section:
    fields = Fields(value, where)
    return Section(
        id=fields.must("id", identifier),
        number=fields.may("section", integer) or 0,
        name=fields.must("name", text),
        modules=fields.must("modules", activities),
        component=fields.may("component", text) or "",
    )


def contents(value: object, where: Place) -> Contents:
    sections = readable(value, where, section)
    return Contents(sections=sections, left_out=len(where.left_out))


def function_name(value: object, where: Place) -> str:
    return Fields(value, where).must("name", text)


def function_names(value: object, where: Place) -> frozenset[str]:
    return frozenset(each(value, where, function_name))


def site_info(value: object, where: Place) -> SiteInfo:
    fields = Fields(value, where)
    return SiteInfo(
        sitename=fields.may("sitename", text) or "",
        siteurl=fields.must("siteurl", text),
        release=fields.may("release", text) or "",
        version=fields.may("version", text) or "",
        username=fields.may("username", text) or "",
        is_site_admin=fields.may("userissiteadmin", flag) or False,
        functions=fields.may("functions", function_names),
    )


def user(value: object, where: Place) -> User:
    fields = Fields(value, where)
    return User(
        id=fields.must("id", identifier),
        username=fields.may("username", text) or "",
        email=fields.may("email", text) or "",
        fullname=fields.must("fullname", text),
    )


def users(value: object, where: Place) -> tuple[User, ...]:
    return readable(value, where, user)


def duplicated(value: object, where: Place, *, source_id: int, shortname: str) -> Duplicated:
    """The answer to a duplication, if it is for the copy that was asked for."""
    fields = Fields(value, where)
    new_id = fields.must("id", identifier)
    if new_id == source_id:
        raise Unexpected("the answer names the source as its copy")
    answered = fields.must("shortname", text)
    if not same_short_name(answered, shortname):
        raise Unexpected("the answer is for a course with another short name")
    return Duplicated(id=new_id, shortname=answered)


def deletion_warnings(value: object, where: Place) -> tuple[tuple[str, str], ...]:
    """The warnings of a deletion, each as (code, words)."""

    def warning(item: object, inner: Place) -> tuple[str, str]:
        fields = Fields(item, inner)
        return fields.must("warningcode", text), fields.may("message", text) or ""

    def warnings(items: object, inner: Place) -> tuple[tuple[str, str], ...]:
        return each(items, inner, warning)

    return Fields(value, where).must("warnings", warnings)


def duplicate_id(value: object, where: Place) -> str:
    """The unique id of a duplication: 1 to 64 characters."""
    unique = Fields(value, where).must("duplicateid", text)
    if not 1 <= len(unique) <= 64:
        raise Unexpected("the answer's duplicateid does not have 1 to 64 characters")
    return unique


def async_status(value: object, where: Place) -> AsyncStatus:
    fields = Fields(value, where)
    return AsyncStatus(
        phase=fields.must("phase", integer),
        status=fields.must("status", integer),
        progress=fields.must("progress", real),
    )


def async_statuses(value: object, where: Place) -> dict[str, AsyncStatus]:
    """The status of each duplication, by its id."""

    def entry(item: object, inner: Place) -> tuple[str, AsyncStatus]:
        return Fields(item, inner).must("duplicateid", text), async_status(item, inner)

    def entries(items: object, inner: Place) -> tuple[tuple[str, AsyncStatus], ...]:
        return each(items, inner, entry)

    return dict(Fields(value, where).must("statuses", entries))


def async_result(value: object, where: Place) -> AsyncResult:
    fields = Fields(value, where)
    return AsyncResult(
        state=fields.must("state", text),
        shortname=fields.must("shortname", text),
        failurecode=fields.may("failurecode", text) or "",
        failuremessage=fields.may("failuremessage", text) or "",
    )
