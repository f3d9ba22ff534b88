"""From decoded JSON to records: tolerant of keys that are missing or new, strict about what we rely on.

Every function raises :class:`Unexpected` for a value that cannot be what Moodle promised; its text names
the place and never quotes the value. Shapes were measured on Moodle 4.5.6.
"""

import html
import math
import re
from collections.abc import Callable
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


# --- single values --------------------------------------------------------------------------------------


def an_object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Unexpected(f"{where} is not an object")
    return value


def a_list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise Unexpected(f"{where} is not a list")
    return value


def each(value: object, where: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(a_list(value, where)))


def integer(value: object, where: str) -> int:
    """A whole number; one that arrives as text counts too, true and false do not."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _BIGGEST:
        raise Unexpected(f"{where} is not a whole number")
    return value


def identifier(value: object, where: str) -> int:
    number = integer(value, where)
    if number < 1:
        raise Unexpected(f"{where} is not an id")
    return number


def text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise Unexpected(f"{where} is not text")
    return clean(value)


def name(value: object, where: str) -> str:
    """Text for people: Moodle sends it HTML-escaped (``AT&amp;T``)."""
    return clean(html.unescape(text(value, where)))


def flag(value: object, where: str) -> bool:
    """Yes or no: Moodle says 0 and 1, or false and true."""
    if isinstance(value, bool):
        return value
    number = integer(value, where)
    if number not in (0, 1):
        raise Unexpected(f"{where} is neither 0 nor 1")
    return bool(number)


def real(value: object, where: str) -> float:
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

    def __init__(self, value: object, where: str) -> None:
        self._where = where
        self._values = an_object(value, where)

    def must(self, key: str, read: Callable[[object, str], T]) -> T:
        """The value of ``key``; raises Unexpected if there is none."""
        if key not in self._values:
            raise Unexpected(f"{self._where} has no {key}")
        return read(self._values[key], f"{self._where}.{key}")

    def may(self, key: str, read: Callable[[object, str], T]) -> T | None:
        """The value of ``key``, None if it is missing or null."""
        return None if self._values.get(key) is None else self.must(key, read)


# --- records --------------------------------------------------------------------------------------------


def contact(value: object, where: str) -> Contact:
    fields = Fields(value, where)
    return Contact(id=fields.must("id", identifier), fullname=fields.must("fullname", name))


def contacts(value: object, where: str) -> tuple[Contact, ...]:
    return each(value, where, contact)


def course(value: object, where: str) -> Course:
    """A course, from a look-up, a search or a person's list (which says ``category`` for ``categoryid``)."""
    fields = Fields(value, where)
    category_id = fields.may("categoryid", integer)
    return Course(
        id=fields.must("id", identifier),
        shortname=fields.must("shortname", name),
        fullname=fields.must("fullname", name),
        category_id=fields.must("category", integer) if category_id is None else category_id,
        category_name=fields.may("categoryname", name) or "",
        visible=fields.may("visible", flag),
        idnumber=fields.may("idnumber", name),
        startdate=fields.may("startdate", integer),
        enddate=fields.may("enddate", integer),
        timemodified=fields.may("timemodified", integer),
        contacts=fields.may("contacts", contacts) or (),
    )


def courses(value: object, where: str) -> tuple[Course, ...]:
    return each(value, where, course)


def courses_in_object(value: object) -> tuple[Course, ...]:
    """``{"courses": [...], "warnings": [...]}``, the answer of a look-up and of a search."""
    return Fields(value, "the answer").must("courses", courses)


def category(value: object, where: str) -> Category:
    fields = Fields(value, where)
    return Category(
        id=fields.must("id", identifier),
        name=fields.must("name", name),
        parent=fields.must("parent", integer),
        depth=fields.must("depth", integer),
        path=fields.must("path", text),
        visible=fields.may("visible", flag),
        sortorder=fields.must("sortorder", integer),
        coursecount=fields.must("coursecount", integer),
    )


def categories(value: object) -> tuple[Category, ...]:
    return each(value, "the answer", category)


def activity(value: object, where: str) -> Activity:
    fields = Fields(value, where)
    visible = fields.may("visible", flag)
    return Activity(
        id=fields.must("id", identifier),
        name=fields.must("name", name),
        modname=fields.must("modname", text),
        visible=True if visible is None else visible,
    )


def activities(value: object, where: str) -> tuple[Activity, ...]:
    return each(value, where, activity)


def section(value: object, where: str) -> Section:
    fields = Fields(value, where)
    return Section(
        id=fields.must("id", identifier),
        number=fields.may("section", integer) or 0,
        name=fields.must("name", name),
        modules=fields.must("modules", activities),
    )


def contents(value: object) -> Contents:
    return Contents(sections=each(value, "the answer", section))


def function_name(value: object, where: str) -> str:
    return Fields(value, where).must("name", text)


def function_names(value: object, where: str) -> frozenset[str]:
    return frozenset(each(value, where, function_name))


def site_info(value: object) -> SiteInfo:
    fields = Fields(value, "the answer")
    return SiteInfo(
        sitename=fields.must("sitename", name),
        siteurl=fields.must("siteurl", text),
        release=fields.may("release", text) or "",
        version=fields.may("version", text) or "",
        username=fields.must("username", text),
        userid=fields.must("userid", identifier),
        is_site_admin=fields.may("userissiteadmin", flag) or False,
        functions=fields.must("functions", function_names),
    )


def user(value: object, where: str) -> User:
    fields = Fields(value, where)
    return User(
        id=fields.must("id", identifier),
        username=fields.may("username", text) or "",
        email=fields.may("email", text) or "",
        fullname=fields.must("fullname", name),
    )


def users(value: object) -> tuple[User, ...]:
    return each(value, "the answer", user)


def duplicated(value: object, *, source_id: int, shortname: str) -> Duplicated:
    """The answer to a duplication, if it is for the copy that was asked for."""
    fields = Fields(value, "the answer")
    new_id = fields.must("id", identifier)
    if new_id == source_id:
        raise Unexpected("the answer names the source as its copy")
    raw = fields.must("shortname", text)
    # Moodle answers this one unescaped; an escaped one would mean the same course.
    for candidate in (raw, clean(html.unescape(raw))):
        if same_short_name(candidate, shortname):
            return Duplicated(id=new_id, shortname=candidate)
    raise Unexpected("the answer is for a course with another short name")


def deletion_warnings(value: object) -> tuple[tuple[str, str], ...]:
    """The warnings of a deletion, each as (code, words)."""

    def warning(item: object, where: str) -> tuple[str, str]:
        fields = Fields(item, where)
        return fields.must("warningcode", text), fields.may("message", name) or ""

    def warnings(items: object, where: str) -> tuple[tuple[str, str], ...]:
        return each(items, where, warning)

    return Fields(value, "the answer").must("warnings", warnings)


def duplicate_id(value: object) -> str:
    """The unique id of a duplication: 1 to 64 characters."""
    unique = Fields(value, "the answer").must("duplicateid", text)
    if not 1 <= len(unique) <= 64:
        raise Unexpected("the answer's duplicateid does not have 1 to 64 characters")
    return unique


def async_status(value: object, where: str = "the answer") -> AsyncStatus:
    fields = Fields(value, where)
    return AsyncStatus(
        phase=fields.must("phase", integer),
        status=fields.must("status", integer),
        progress=fields.must("progress", real),
    )


def async_statuses(value: object) -> dict[str, AsyncStatus]:
    """The status of each duplication, by its id."""

    def entry(item: object, where: str) -> tuple[str, AsyncStatus]:
        return Fields(item, where).must("duplicateid", text), async_status(item, where)

    def entries(items: object, where: str) -> tuple[tuple[str, AsyncStatus], ...]:
        return each(items, where, entry)

    return dict(Fields(value, "the answer").must("statuses", entries))


def async_result(value: object) -> AsyncResult:
    fields = Fields(value, "the answer")
    return AsyncResult(
        state=fields.must("state", text),
        shortname=fields.must("shortname", text),
        failurecode=fields.may("failurecode", text) or "",
        failuremessage=fields.may("failuremessage", text) or "",
    )
