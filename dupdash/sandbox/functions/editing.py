"""Implements the functions that create, change and delete courses."""

import time
from typing import Any

from dupdash.sandbox.errors import (
    SimulatedError,
    missing_record,
    moodle_exception,
    no_permissions,
    shortname_taken,
    write_failed,
)
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.parameters import OPTIONAL, Multiple, Single, Value, param_int, param_raw, param_text
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
    with state.lock:
        if taken := state.by_shortname(wanted["shortname"]):
            raise shortname_taken([course.fullname for course in taken])
        if len(wanted["fullname"]) > 254 or len(wanted["shortname"]) > 255:
            raise write_failed()
        now = int(time.time())
        course = state.add(
            **wanted,
            startdate=now - now % 86_400,
            timecreated=now,
            timemodified=now,
            sections=state.new_sections(_SECTIONS),
            origin="created",
        )
    return {"id": course.id, "shortname": course.shortname}


def _update_courses(call: Call) -> dict[str, Any]:
    warnings = []
    for wanted in call.params["courses"]:
        try:
            _update(call, wanted)
        except SimulatedError as error:
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
        _check_details(call, wanted, course)
        changes = {key: value for key, value in wanted.items() if key != "id"}
        state.change(course.id, timemodified=int(time.time()), **changes)


def check_idnumber(call: Call, idnumber: str, courseid: int | None = None) -> None:
    if idnumber and any(other.idnumber == idnumber and other.id != courseid for other in call.moodle.state.courses()):
        raise moodle_exception("courseidnumbertaken", f"ID number is already used for another course ({idnumber})")


def _check_details(call: Call, wanted: dict[str, Any], course: Course) -> None:
    check_idnumber(call, wanted.get("idnumber", ""), course.id)
    start, end = wanted.get("startdate", course.startdate), wanted.get("enddate", course.enddate)
    if end and end < start:
        raise moodle_exception("enddatebeforestartdate", "The course end date must be after the start date.")


# The settings with which the callers of the sandbox create and change courses. Moodle has many more.
_NEW = Single({"fullname": Value(param_text), "shortname": Value(param_text), "categoryid": Value(param_int)})
_CHANGES = Single(
    {
        "id": Value(param_int),
        "startdate": Value(param_int, OPTIONAL),
        "enddate": Value(param_int, OPTIONAL),
        "idnumber": Value(param_raw, OPTIONAL),
        "visible": Value(param_int, OPTIONAL),
    }
)

FUNCTIONS = (
    ServiceFunction("core_course_delete_courses", Single({"courseids": Multiple(Value(param_int))}), _delete_courses),
    ServiceFunction("core_course_update_courses", Single({"courses": Multiple(_CHANGES)}), _update_courses),
    ServiceFunction("core_course_create_courses", Single({"courses": Multiple(_NEW)}), _create_courses),
)
