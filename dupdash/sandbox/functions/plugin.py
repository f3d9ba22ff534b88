"""Implements the functions of this project's Moodle plugin. They check parameters in the same order."""

import re
from typing import Any, cast

from dupdash.sandbox.duplication import ENROLMENTS_ALWAYS
from dupdash.sandbox.errors import (
    invalid_course_id,
    invalid_external_parameter,
    invalid_parameter,
    missing_record,
    moodle_exception,
    no_permissions,
    precheck_errors,
    shortname_taken,
    write_failed,
)
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.functions.copying import EITHER_WAY, as_pairs
from dupdash.sandbox.functions.editing import check_idnumber
from dupdash.sandbox.parameters import Multiple, Single, Value, param_bool, param_int, param_raw, param_text
from dupdash.sandbox.plugin import PluginDuplications, Row
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.state import collated
from dupdash.sandbox.validation import ENROLCONFIG, FRONT_PAGE, OPTIONS, PEOPLE_CAPABILITIES, ROLLDATES

LONGEST = {"fullname": 254, "shortname": 100}
KEY_LONGEST, IDNUMBER_LONGEST = 255, 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _param_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise invalid_parameter()
    return text


def _param_moment(text: str) -> int:
    moment = param_int(text)
    if not 0 <= moment <= 9_999_999_999:
        raise invalid_parameter()
    return moment


def _duplications(call: Call) -> PluginDuplications:
    return cast(PluginDuplications, call.moodle.duplications)


def _start(call: Call) -> dict[str, Any]:
    params = _cleaned(call.params)
    duplications = _duplications(call)
    before = duplications.started_with(call.user.id, params)
    if before is not None:
        return {"duplicateid": before}
    source = call.moodle.state.course(params["id"])
    if source is None:
        raise invalid_course_id()
    if params["categoryid"] not in call.moodle.state.categories:
        raise missing_record("course_categories")
    call.must_enter(source)
    if source.id == FRONT_PAGE:
        raise precheck_errors()
    _check_capabilities(call, params)
    _check_dates(source, params)
    _check_names(call, duplications, params)
    request = CopyRequest(
        source.id,
        params["fullname"],
        params["shortname"],
        params["categoryid"],
        params["visible"],
        params["options"],
        startdate=params["startdate"],
        enddate=params["enddate"],
        idnumber=params["idnumber"],
        lacks=call.moodle.switches.missing_capabilities,
    )
    return {"duplicateid": duplications.start(call.user.id, params, request, source, call.mishaps)}


def _cleaned(given: dict[str, Any]) -> dict[str, Any]:
    """Check the parameters, and return them in a normal form, so that two calls with the same meaning are equal.

    Raises the error ``invalidparameter``, as the plugin does.
    """
    params = given | {name: given[name].strip() for name in ("fullname", "shortname", "idnumber")}
    for name in LONGEST:
        if not params[name] or _CONTROL.search(params[name]):
            raise invalid_parameter()
    if params["startdate"] == 0 or len(params["idnumber"]) > IDNUMBER_LONGEST:
        raise invalid_parameter()
    if len(params["idempotencykey"]) > KEY_LONGEST:
        raise invalid_parameter()
    return params | {"options": _effective(as_pairs(given["options"]))}


def _effective(pairs: list[dict[str, str]]) -> dict[str, int]:
    chosen = dict(OPTIONS)
    for pair in pairs:
        name, value = pair["name"], pair["value"]
        allowed = ("0", "1", str(ENROLMENTS_ALWAYS)) if name == "enrolments" else ("0", "1")
        if name not in OPTIONS or value not in allowed:
            raise invalid_external_parameter(name)
        chosen[name] = int(value)
    if not chosen["users"]:
        for name in ("role_assignments", "comments", "userscompletion", "logs", "grade_histories"):
            chosen[name] = 0
        if chosen["enrolments"] != ENROLMENTS_ALWAYS:
            chosen["enrolments"] = 0
    if not chosen["activities"]:
        chosen["grade_histories"] = 0
    return chosen


def _check_capabilities(call: Call, params: dict[str, Any]) -> None:
    if not call.user.sees_everything:
        raise no_permissions("Create courses")
    needed = dict(PEOPLE_CAPABILITIES) if params["options"]["users"] else {}
    if params["startdate"] is not None:
        needed[ROLLDATES] = "Allowed to roll activity configuration dates on restore"
    if params["options"]["enrolments"] == ENROLMENTS_ALWAYS:
        needed[ENROLCONFIG] = "Configure enrol instances in courses"
    for capability, words in needed.items():
        if capability in call.moodle.switches.missing_capabilities:
            raise no_permissions(words)


def _check_dates(source: Course, params: dict[str, Any]) -> None:
    if not params["enddate"]:
        return
    start = source.startdate if params["startdate"] is None else params["startdate"]
    if not start:
        raise moodle_exception("nostartdatenoenddate", "A course without a start date cannot have an end date.")
    if params["enddate"] < start:
        raise moodle_exception("enddatebeforestartdate", "The course end date must be after the start date.")


def _check_names(call: Call, duplications: PluginDuplications, params: dict[str, Any]) -> None:
    taken = call.moodle.state.by_shortname(params["shortname"])
    if taken:
        raise shortname_taken([course.fullname for course in taken])
    check_idnumber(call, params["idnumber"])
    for row in duplications.unfinished():
        if collated(row.request.shortname) == collated(params["shortname"]):
            raise shortname_taken([row.request.fullname])
        if params["idnumber"] and row.request.idnumber.casefold() == params["idnumber"].casefold():
            raise moodle_exception("courseidnumbertaken", f"ID number is already used ({params['idnumber']})")
    if any(len(params[name]) > longest for name, longest in LONGEST.items()):
        raise write_failed()


def _visible_row(call: Call) -> Row:
    """Return the row of a duplication. Raises Moodle's error if there is none that this account sees."""
    row = _duplications(call).row(call.params["duplicateid"])
    if row is None or not (row.userid == call.user.id or call.user.sees_everything):
        raise missing_record("local_asyncduplicate")
    return row


def _get_status(call: Call) -> dict[str, Any]:
    return _progress(_visible_row(call))


def _progress(row: Row) -> dict[str, Any]:
    return {"phase": row.phase, "status": row.status, "progress": row.progress}


def _get_statuses(call: Call) -> dict[str, Any]:
    duplications = _duplications(call)
    statuses: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    for place, duplicateid in enumerate(call.params["duplicateids"]):
        row = duplications.row(duplicateid)
        if row is None or not (row.userid == call.user.id or call.user.sees_everything):
            warnings.append(
                {
                    "item": "duplicateid",
                    "itemid": place,
                    "warningcode": "invalidrecord",
                    "message": f"There is no duplication {duplicateid}.",
                }
            )
            continue
        times = {"timecreated": row.timecreated, "timemodified": row.timemodified}
        statuses.append({"duplicateid": duplicateid, **_progress(row), "ahead": duplications.ahead(row), **times})
    cron = {"lastrun": duplications.cron_last_run, "now": call.moodle.now()}
    return {"statuses": statuses, "cron": cron, "warnings": warnings}


def _get_result(call: Call) -> dict[str, Any]:
    row = _visible_row(call)
    result: dict[str, Any] = {
        "duplicateid": row.id,
        "state": row.state,
        "courseid": row.courseid if row.state == "succeeded" else None,
        "shortname": row.request.shortname,
        "failurecode": row.failurecode,
        "failuremessage": row.failuremessage,
        "partialcourseid": None,
        "timecreated": row.timecreated,
        "timestarted": row.timestarted,
        "timefinished": row.timefinished,
        "warnings": [],
    }
    return result | ({"report": row.report} if row.report is not None else {})


def _cancel(call: Call) -> dict[str, Any]:
    row = _visible_row(call)
    _duplications(call).cancel(row)
    return {"duplicateid": row.id, "state": row.state}


_ONE = Single({"duplicateid": Value(_param_id)})

FUNCTIONS = (
    ServiceFunction(
        "core_course_async_duplicate_course",
        Single(
            {
                "id": Value(param_int),
                "fullname": Value(param_text),
                "shortname": Value(param_text),
                "categoryid": Value(param_int),
                "options": Multiple(EITHER_WAY, default=()),
                "visible": Value(param_bool, default=1),
                "startdate": Value(_param_moment, default=None),
                "enddate": Value(_param_moment, default=None),
                "idnumber": Value(param_raw, default=""),
                "idempotencykey": Value(param_raw, default=""),
            }
        ),
        _start,
    ),
    ServiceFunction("core_course_async_duplicate_course_get_status", _ONE, _get_status),
    ServiceFunction(
        "core_course_async_duplicate_course_get_statuses",
        Single({"duplicateids": Multiple(Value(_param_id))}),
        _get_statuses,
    ),
    ServiceFunction("core_course_async_duplicate_course_get_result", _ONE, _get_result),
    ServiceFunction("core_course_async_duplicate_course_cancel", _ONE, _cancel),
)
