"""Reads the decoded JSON of Moodle's answers into records.

Unknown keys are ignored, numbers may arrive as strings, and null counts as missing (``storable_json`` removes it). A
missing or wrong value raises :class:`UnexpectedAnswer`, whose message names the place and never quotes the value. In
lists from which people choose (``readable``), unreadable items are left out and described in ``left_out``. The shapes
of the answers were captured from Moodle 4.5.6.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.records import (
    Activity,
    AsyncResult,
    AsyncStatus,
    AsyncStatuses,
    Category,
    Contents,
    Course,
    CourseWarning,
    CronTimes,
    Duplicated,
    Section,
    SiteInfo,
    User,
)

T = TypeVar("T")
Object = dict[str, Any]


class UnexpectedAnswer(ValueError):
    """The answer does not have the shape that Moodle promises, or it is for another request."""


def read(value: object, record: type[T]) -> T:
    """Read ``value`` as a record of this type. Raises UnexpectedAnswer if a part is missing or wrong."""
    try:
        return msgspec.convert(value, record, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        raise UnexpectedAnswer(text[0].lower() + text[1:]) from None


def readable(value: object, read_one: Callable[[object], T], left_out: list[str]) -> tuple[T, ...]:
    """Return the items of a list that can be read, and describe the others in ``left_out``.

    Raises UnexpectedAnswer if ``value`` is no list, or if it has items but none can be read.
    """
    records: list[T] = []
    unreadable: list[str] = []
    for index, item in enumerate(read(value, list[object])):
        try:
            records.append(read_one(item))
        except UnexpectedAnswer as unexpected:
            unreadable.append(f"item {index}: {unexpected}")
    if unreadable and not records:
        raise UnexpectedAnswer(unreadable[0])
    left_out.extend(unreadable)
    return tuple(records)


def course(value: object) -> Course:
    """Read a course. The key of its category is ``categoryid``, but ``category`` in the list of a person's courses."""
    fields = read(value, Object)
    return read({"categoryid": fields.get("category"), **fields}, Course)


def courses(value: object, left_out: list[str]) -> tuple[Course, ...]:
    """Return the courses of a person. This answer is a list."""
    return readable(value, course, left_out)


def found_courses(value: object, left_out: list[str]) -> tuple[Course, ...]:
    """Return the courses of a search. The answer is ``{"courses": [...], "warnings": [...]}``."""
    return courses(read(value, Object).get("courses"), left_out)


def number_found(value: object, left_out: list[str]) -> int:
    """Return how many courses a search found in total. The answer lists only one page of them."""
    return read(read(value, Object).get("total"), int)


def looked_up_courses(value: object) -> tuple[Course, ...]:
    """Return the courses of a lookup, whose answer has the shape of a search: ``{"courses": [...]}``.

    Raises UnexpectedAnswer if one course cannot be read, because dupdash bases decisions on lookups.
    """
    return tuple(course(item) for item in read(read(value, Object).get("courses"), list[object]))


def categories(value: object, left_out: list[str]) -> tuple[Category, ...]:
    """Return the categories that can be read."""
    return readable(value, lambda item: read(item, Category), left_out)


def activity(value: object) -> Activity:
    """Read an activity. Unreadable dates are left out, because dates are only shown to people."""
    fields = read(value, Object)
    try:
        return read(fields, Activity)
    except UnexpectedAnswer:
        return read({**fields, "dates": ()}, Activity)


def contents(value: object, left_out: list[str]) -> Contents:
    """Return the sections of a course. Sections and activities that cannot be read are counted."""

    def section(item: object) -> Section:
        fields = read(item, Object)
        modules = readable(fields.get("modules"), activity, left_out)
        return msgspec.structs.replace(read({**fields, "modules": ()}, Section), modules=modules)

    return Contents(sections=readable(value, section, left_out), left_out=len(left_out))


def site_info(value: object, left_out: list[str]) -> SiteInfo:
    """Read the site info. Its ``functions`` are None if the answer has no list of functions."""
    fields = read(value, Object)
    if "functions" in fields:
        functions = read(fields["functions"], list[Object])
        fields["functions"] = [function.get("name") for function in functions]
    return read(fields, SiteInfo)


def users(value: object, left_out: list[str]) -> tuple[User, ...]:
    """Read a list of people."""
    return readable(value, lambda item: read(item, User), left_out)


def duplicated(value: object, *, source_id: int, shortname: str) -> Duplicated:
    """Return the answer to a duplication. Raises UnexpectedAnswer if it is not for the copy that was requested."""
    answer = read(value, Duplicated)
    if answer.id == source_id:
        raise UnexpectedAnswer("the answer names the source as its copy")
    if short_name_key(answer.shortname) != short_name_key(shortname):
        raise UnexpectedAnswer("the answer is for a course with another short name")
    return answer


def course_warnings(value: object) -> list[CourseWarning]:
    """Return the warnings of a change or a deletion."""
    return read(read(value, Object).get("warnings"), list[CourseWarning])


def duplicate_id(value: object) -> str:
    """Return the unique id of a duplication, which has 1 to 64 characters."""
    unique = read(read(value, Object).get("duplicateid"), str)
    if not 1 <= len(unique) <= 64:
        raise UnexpectedAnswer("the duplicateid does not have 1 to 64 characters")
    return unique


def async_statuses(value: object) -> AsyncStatuses:
    """Return the status of each duplication, by its id, and the times of cron."""
    fields = read(value, Object)
    statuses = read(fields.get("statuses"), list[Object])
    by_id = {read(status.get("duplicateid"), str): read(status, AsyncStatus) for status in statuses}
    return AsyncStatuses(by_id, _cron(fields.get("cron")))


def _cron(value: object) -> CronTimes | None:
    """Return the times of cron.

    If they cannot be read, return None instead of failing: they are only shown to people.
    """
    try:
        return read(value, CronTimes)
    except UnexpectedAnswer:
        return None


def async_result(value: object, left_out: list[str]) -> AsyncResult:
    """Read the result of a duplication.

    If the plugin's report in it cannot be read, the result has no report, and ``left_out`` gets an entry about it: the
    report is only shown to people.
    """
    fields = read(value, Object)
    try:
        return read(fields, AsyncResult)
    except UnexpectedAnswer as unexpected:
        if "report" not in fields:
            raise
        result = read({key: item for key, item in fields.items() if key != "report"}, AsyncResult)
        left_out.append(f"the report: {unexpected}")
        return result


def cancelled_state(value: object) -> str:
    """Return the state of a duplication after it was cancelled."""
    return read(read(value, Object).get("state"), str)
