"""Implements the functions that read people and their courses."""

from typing import Any

from dupdash.sandbox.errors import invalid_parameter, missing_record
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.functions.reading import course_image
from dupdash.sandbox.parameters import (
    Multiple,
    Single,
    Value,
    param_alphaext,
    param_int,
    param_raw,
)
from dupdash.sandbox.records import Course, User


def _get_users_by_field(call: Call) -> list[dict[str, Any]]:
    field, values = call.params["field"], call.params["values"]
    if field not in ("username", "email"):
        raise invalid_parameter()
    folded = {value.casefold() for value in values}
    found = [user for user in call.moodle.state.users.values() if getattr(user, field).casefold() in folded]
    if not call.user.sees_everything:
        found = [user for user in found if user.id == call.user.id]
    return [_user(call, user) for user in sorted(found, key=lambda user: user.id)]


def _user(call: Call, user: User) -> dict[str, Any]:
    picture = f"{call.moodle.url}/theme/image.php/boost/core/1795421211/u"
    return {
        "id": user.id,
        "username": user.username,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "fullname": user.fullname,
        "email": user.email,
        "department": "",
        "firstaccess": 0,
        "lastaccess": 0,
        "auth": "manual",
        "suspended": False,
        "confirmed": True,
        "lang": "en",
        "theme": "",
        "timezone": "99",
        "mailformat": 1,
        "trackforums": 0,
        "profileimageurlsmall": f"{picture}/f2",
        "profileimageurl": f"{picture}/f1",
    }


def _get_users_courses(call: Call) -> list[dict[str, Any]]:
    userid = call.params["userid"]
    if not call.user.sees_everything and call.user.id != userid:
        return []
    taken = [course for course in call.moodle.state.courses() if userid in course.enrolled]
    shown = [course for course in taken if call.may_see(course)]
    return [_user_course(call, course) for course in shown]


def _user_course(call: Call, course: Course) -> dict[str, Any]:
    name = call.name(course.fullname)
    return {
        "id": course.id,
        "shortname": call.name(course.shortname),
        "fullname": name,
        "displayname": name,
        "enrolledusercount": len(course.enrolled),
        "idnumber": course.idnumber,
        "visible": course.visible,
        "summary": course.summary,
        "summaryformat": 1,
        "format": course.format,
        "courseimage": course_image(call, course),
        "showgrades": True,
        "lang": "",
        "enablecompletion": False,
        "completionhascriteria": False,
        "completionusertracked": False,
        "category": course.categoryid,
        "progress": None,
        "completed": None,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "marker": 0,
        "lastaccess": None,
        "isfavourite": False,
        "hidden": False,
        "overviewfiles": [],
        "showactivitydates": False,
        "showcompletionconditions": True,
        "timemodified": course.timemodified,
    }


def _get_enrolled_users(call: Call) -> list[dict[str, Any]]:
    course = call.moodle.state.course(call.params["courseid"])
    if course is None:
        raise missing_record("course")
    call.must_enter(course)
    users = call.moodle.state.users
    return [_enrolled_user(call, users[userid], course) for userid in sorted(course.enrolled) if userid in users]


def _enrolled_user(call: Call, user: User, course: Course) -> dict[str, Any]:
    roles = [ROLES["editingteacher"]] if user.id in course.teachers else []
    roles += [ROLES["student"]] if user.id in course.students else []
    known = ("id", "username", "firstname", "lastname", "fullname", "email", "department", "firstaccess", "lastaccess")
    shown = _user(call, user)
    return {
        **{key: shown[key] for key in known},
        "lastcourseaccess": 0,
        "profileimageurlsmall": shown["profileimageurlsmall"],
        "profileimageurl": shown["profileimageurl"],
        "roles": roles,
    }


# These keys are as in enrolled_users.json.
ROLES = {
    "editingteacher": {"roleid": 3, "name": "", "shortname": "editingteacher", "sortorder": 0},
    "student": {"roleid": 5, "name": "", "shortname": "student", "sortorder": 0},
}

FUNCTIONS = (
    ServiceFunction(
        "core_enrol_get_users_courses",
        Single({"userid": Value(param_int)}),
        _get_users_courses,
    ),
    ServiceFunction(
        "core_enrol_get_enrolled_users",
        Single(
            {
                "courseid": Value(param_int),
                "options": Multiple(Single({"name": Value(param_alphaext), "value": Value(param_raw)}), default=()),
            }
        ),
        _get_enrolled_users,
    ),
    ServiceFunction(
        "core_user_get_users_by_field",
        Single({"field": Value(param_alphaext), "values": Multiple(Value(param_raw))}),
        _get_users_by_field,
    ),
)
