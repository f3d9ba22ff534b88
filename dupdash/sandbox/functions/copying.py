"""Implements the functions that copy a course: that of stock Moodle, and the two proposed in MDL-64916."""

from collections.abc import Iterable
from typing import Any, cast

from dupdash.sandbox.asynchronous import Duplications
from dupdash.sandbox.errors import (
    invalid_course_id,
    invalid_external_parameter,
    invalid_parameter,
    missing_record,
    no_permissions,
)
from dupdash.sandbox.functions.call import Call, Died, GaveUp, ServiceFunction
from dupdash.sandbox.parameters import (
    OPTIONAL,
    Multiple,
    Single,
    Value,
    param_alphaext,
    param_int,
    param_raw,
    param_text,
    php_int,
)
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.validation import OPTIONS, check_may_start


def _duplicate_course(call: Call) -> dict[str, Any]:
    source, request = _checked(call, call.params["courseid"], call.params["visible"], call.params["options"])
    copy = call.moodle.copies.start(request, source, call.mishaps)
    timeout = copy.seconds * call.gives_up_at if call.gives_up_at is not None else None
    if not copy.ended.wait(timeout):
        raise GaveUp
    if copy.error:
        raise copy.error
    if copy.killed:
        raise Died
    return {"id": copy.courseid, "shortname": request.shortname}


def _async_duplicate_course(call: Call) -> dict[str, Any]:
    source, request = _checked(call, call.params["id"], 1, as_pairs(call.params["options"]), proposed=True)
    return {"duplicateid": cast(Duplications, call.moodle.duplications).start(request, source, call.mishaps)}


def as_pairs(options: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return options as pairs of name and value.

    Accepts Moodle's form, ``{"name": "users", "value": "1"}``, and that of MDL-64916, ``{"users": "1"}``.
    """
    pairs = []
    for option in options:
        if "name" in option or "value" in option:
            if set(option) != {"name", "value"}:
                raise invalid_parameter()
            pairs.append(option)
        else:
            pairs.extend({"name": name, "value": value} for name, value in option.items())
    return pairs


def _get_status(call: Call) -> dict[str, Any]:
    progress = cast(Duplications, call.moodle.duplications).progress(call.params["duplicateid"])
    if progress is None:
        raise missing_record("backup_controllers")
    return {"phase": progress.phase, "status": progress.status, "progress": progress.progress}


def _checked(
    call: Call, courseid: int, visible: int, given: Iterable[dict[str, str]], *, proposed: bool = False
) -> tuple[Course, CopyRequest]:
    """Check a request, in Moodle's order: course, category, access, options, permission to create, preconditions.

    ``proposed``: whether a proposed function was called. They apply the documented defaults, and set ``enrolments`` in
    the restore, not in the backup.
    """
    state, params = call.moodle.state, call.params
    source = state.course(courseid)
    if source is None:
        raise invalid_course_id()
    if params["categoryid"] not in state.categories:
        raise missing_record("course_categories")
    call.must_enter(source)
    options = _cleaned(given)
    settings = [name for name in options if name != "enrolments"] if proposed else list(options)
    if not call.user.sees_everything:
        raise no_permissions("Create courses")
    lacks = call.moodle.switches.missing_capabilities
    request = CopyRequest(
        courseid,
        params["fullname"],
        params["shortname"],
        params["categoryid"],
        visible,
        OPTIONS | options if proposed else options,
        lacks=lacks,
    )
    check_may_start(state, request, lacks, settings)
    if call.persons_restore:
        call.moodle.copies.start_by_hand(source, request.categoryid)
    return source, request


def _cleaned(options: Iterable[dict[str, str]]) -> dict[str, int]:
    cleaned: dict[str, int] = {}
    for option in options:
        value = php_int(option["value"])
        if value not in (0, 1) or option["name"] not in OPTIONS:
            raise invalid_external_parameter(option["name"])
        cleaned[option["name"]] = value
    return cleaned


_COURSE: dict[str, Value | Single | Multiple] = {
    "fullname": Value(param_text),
    "shortname": Value(param_text),
    "categoryid": Value(param_int),
}

FUNCTIONS = (
    ServiceFunction(
        "core_course_duplicate_course",
        Single(
            {
                "courseid": Value(param_int),
                **_COURSE,
                "visible": Value(param_int, default=1),
                "options": Multiple(Single({"name": Value(param_alphaext), "value": Value(param_raw)}), default=()),
            }
        ),
        _duplicate_course,
    ),
)


EITHER_WAY = Single({name: Value(param_raw, OPTIONAL) for name in ("name", "value", *OPTIONS)})

PROPOSED_FUNCTIONS = (
    ServiceFunction(
        "core_course_async_duplicate_course",
        Single({"id": Value(param_int), **_COURSE, "options": Multiple(EITHER_WAY, default=())}),
        _async_duplicate_course,
    ),
    ServiceFunction(
        "core_course_async_duplicate_course_get_status",
        Single({"duplicateid": Value(param_raw)}),
        _get_status,
    ),
)
