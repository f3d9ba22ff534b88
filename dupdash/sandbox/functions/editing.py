"""Implements the functions that create, change and delete courses."""

from __future__ import annotations

import time
from typing import Any

from dupdash.sandbox.errors import (
    MoodleError,
    missing_record,
    moodle_exception,
    no_permissions,
    shortname_taken,
    write_failed,
)
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.parameters import (
    OPTIONAL,
    Multiple,
    Single,
    Value,
    param_alphaext,
    param_int,
    param_raw,
    param_text,
)
from dupdash.sandbox.records import Course
from dupdash.sandbox.validation import FRONT_PAGE

_SECTIONS = 4  # moodlecourse | numsections, the default of a stock site


def _delete_courses(call: Call) -> dict[str, Any]:
    warnings = [_delete(call, courseid) for courseid in call.params["courseids"]]
    return {"warnings": [warning for warning in warnings if warning]}


def _delete(call: Call, courseid: int) -> dict[str, Any] | None:
    course = call.moodle.state.course(courseid)
    if course is None:
        return _warning(courseid, "unknowncourseidnumber", f"Unknown course ID {courseid}")
    if not call.user.sees_everything or courseid == FRONT_PAGE:
        return _warning(courseid, "cannotdeletecourse", f"You cannot delete the course {course.fullname}")
    if call.moodle.state.delete(courseid):
        call.moodle.copies.calls.count_deletion(course)
    return None


def _warning(courseid: int, code: str, message: str) -> dict[str, Any]:
    return {"item": "course", "itemid": courseid, "warningcode": code, "message": message}


def _create_courses(call: Call) -> list[dict[str, Any]]:
    return [_create(call, wanted) for wanted in call.params["courses"]]


def _create(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    state = call.moodle.state
    if wanted["categoryid"] not in state.categories:
        raise missing_record("course_categories")
    if not call.user.sees_everything:
        raise no_permissions("Create courses")
    for name in ("fullname", "shortname"):
        if not wanted[name].strip():
            raise moodle_exception("errorinvalidparam", f'The param "{name}" is invalid.')
    with state.lock:
        _check_names(call, wanted, None)
        now = int(time.time())
        course = state.add(
            fullname=wanted["fullname"],
            shortname=wanted["shortname"],
            categoryid=wanted["categoryid"],
            idnumber=wanted.get("idnumber", ""),
            summary=wanted.get("summary", ""),
            format=wanted["format"],
            visible=wanted.get("visible", 1),
            startdate=wanted.get("startdate", now - now % 86_400),
            enddate=wanted.get("enddate", 0),
            timecreated=now,
            timemodified=now,
            sections=state.new_sections(wanted.get("numsections", _SECTIONS)),
            origin="created",
        )
    return {"id": course.id, "shortname": course.shortname}


def _check_names(call: Call, wanted: dict[str, Any], courseid: int | None) -> None:
    taken = [course for course in call.moodle.state.by_shortname(wanted.get("shortname", "")) if course.id != courseid]
    if "shortname" in wanted and taken:
        raise shortname_taken([course.fullname for course in taken])
    if len(wanted.get("fullname", "")) > 254 or len(wanted.get("shortname", "")) > 255:
        raise write_failed()


def _update_courses(call: Call) -> dict[str, Any]:
    warnings = []
    for wanted in call.params["courses"]:
        try:
            _update(call, wanted)
        except MoodleError as error:
            warnings.append(_warning(wanted["id"], error.errorcode or "", error.message))
    return {"warnings": warnings}


def _update(call: Call, wanted: dict[str, Any]) -> None:
    state = call.moodle.state
    with state.lock:
        course = state.course(wanted["id"])
        if course is None:
            raise missing_record("course")
        call.must_enter(course)
        if not call.user.sees_everything:
            raise no_permissions("Update course settings")
        if wanted.get("categoryid", course.categoryid) not in state.categories:
            raise missing_record("course_categories")
        _check_names(call, wanted, course.id)
        _check_details(call, wanted, course)
        columns = {key: value for key, value in wanted.items() if key in _COLUMNS}
        state.change(course.id, timemodified=int(time.time()), **columns)


def check_idnumber(call: Call, idnumber: str, courseid: int | None = None) -> None:
    if idnumber and any(other.idnumber == idnumber and other.id != courseid for other in call.moodle.state.courses()):
        raise moodle_exception("courseidnumbertaken", f"ID number is already used for another course ({idnumber})")


def _check_details(call: Call, wanted: dict[str, Any], course: Course) -> None:
    check_idnumber(call, wanted.get("idnumber", ""), course.id)
    start, end = wanted.get("startdate", course.startdate), wanted.get("enddate", course.enddate)
    if end and end < start:
        raise moodle_exception("enddatebeforestartdate", "The course end date must be after the start date.")


_COLUMNS = (
    "fullname",
    "shortname",
    "categoryid",
    "idnumber",
    "summary",
    "format",
    "visible",
    "startdate",
    "enddate",
)


def _course_keys(**named: Value) -> Single:
    """Describe the settings of a course as parameters. All except the named ones are optional."""
    optional = {
        "idnumber": param_raw,
        "summary": param_raw,
        "summaryformat": param_int,
        "showgrades": param_int,
        "newsitems": param_int,
        "startdate": param_int,
        "enddate": param_int,
        "numsections": param_int,
        "maxbytes": param_int,
        "showreports": param_int,
        "visible": param_int,
        "hiddensections": param_int,
        "groupmode": param_int,
        "groupmodeforce": param_int,
        "defaultgroupingid": param_int,
        "enablecompletion": param_int,
        "completionnotify": param_int,
        "lang": param_raw,
        "forcetheme": param_raw,
    }
    keys: dict[str, Value | Single | Multiple] = {name: Value(clean, OPTIONAL) for name, clean in optional.items()}
    return Single(keys | named)


FUNCTIONS = (
    ServiceFunction("core_course_delete_courses", Single({"courseids": Multiple(Value(param_int))}), _delete_courses),
    ServiceFunction(
        "core_course_update_courses",
        Single(
            {
                "courses": Multiple(
                    _course_keys(
                        id=Value(param_int),
                        fullname=Value(param_text, OPTIONAL),
                        shortname=Value(param_text, OPTIONAL),
                        categoryid=Value(param_int, OPTIONAL),
                        format=Value(param_alphaext, OPTIONAL),
                    )
                )
            }
        ),
        _update_courses,
    ),
    ServiceFunction(
        "core_course_create_courses",
        Single(
            {
                "courses": Multiple(
                    _course_keys(
                        fullname=Value(param_text),
                        shortname=Value(param_text),
                        categoryid=Value(param_int),
                        format=Value(param_alphaext, default="topics"),
                    )
                )
            }
        ),
        _create_courses,
    ),
)
