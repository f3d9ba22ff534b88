"""Implements the functions that read courses and categories."""

import re
from typing import Any

from dupdash.sandbox.errors import invalid_parameter, php_error
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.parameters import (
    Multiple,
    Single,
    Value,
    param_alphaext,
    param_bool,
    param_int,
    param_raw,
    param_text,
)
from dupdash.sandbox.records import Category, Course
from dupdash.sandbox.validation import FRONT_PAGE, context_id

_FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")


def _get_categories(call: Call) -> list[dict[str, Any]]:
    categories = list(call.moodle.state.categories.values())
    chosen = [one for one in categories if all(_matches(one, criterion) for criterion in call.params["criteria"])]
    if call.params["criteria"] and call.params["addsubcategories"]:
        roots = tuple(f"{category.path}/" for category in chosen)
        chosen = [one for one in categories if one in chosen or one.path.startswith(roots)]
    counts: dict[int, int] = {}
    for course in call.moodle.state.courses():
        counts[course.categoryid] = counts.get(course.categoryid, 0) + 1
    return [_category(call, one, counts.get(one.id, 0)) for one in sorted(chosen, key=lambda one: one.sortorder)]


def _matches(category: Category, criterion: dict[str, str]) -> bool:
    key, value = criterion["key"], criterion["value"]
    if key == "id":
        return param_int(value) == category.id
    if key == "idnumber":
        return (category.idnumber or "") == value
    raise invalid_parameter()


def _category(call: Call, category: Category, coursecount: int) -> dict[str, Any]:
    return {
        "id": category.id,
        "name": call.name(category.name),
        "idnumber": category.idnumber,
        "description": category.description,
        "descriptionformat": 1,
        "parent": category.parent,
        "sortorder": category.sortorder,
        "coursecount": coursecount,
        "visible": category.visible,
        "visibleold": category.visible,
        "timemodified": category.timemodified,
        "depth": category.depth,
        "path": category.path,
        "theme": "",
    }


def _get_courses_by_field(call: Call) -> dict[str, Any]:
    field, value = call.params["field"], call.params["value"]
    found = _found(call, field, value)
    # Reading a course creates its context, if the course has none yet (measured).
    call.moodle.copies.look_up(found, param_text(value) if field == "shortname" else None)
    courses = []
    for course in sorted(found, key=lambda course: course.id):
        if call.may_enter(course):
            courses.append(public_information(call, course) | _full_information(course))
        elif call.may_see(course):
            courses.append(public_information(call, course))
    return {"courses": courses, "warnings": []}


def _found(call: Call, field: str, value: str) -> list[Course]:
    state = call.moodle.state
    if field == "id":
        course = state.course(param_int(value))
        return [course] if course else []
    if field == "ids":
        found = [state.course(param_int(part)) for part in value.split(",")]
        if None in found:
            # One missing id breaks the whole call, without an error code (measured on 4.5.6).
            raise php_error('Attempt to assign property "contextvalidated" on null')
        return [course for course in found if course]
    if field == "shortname":
        return state.by_shortname(param_text(value))
    if field == "idnumber":
        return [course for course in state.courses() if course.idnumber == value]
    if field == "category":
        return state.in_category(param_int(value))
    raise invalid_parameter()


def public_information(call: Call, course: Course) -> dict[str, Any]:
    """Return the public fields of a course: a search returns them, and people who are not enrolled see them, too."""
    state = call.moodle.state
    category = state.categories.get(course.categoryid)
    name = call.name(course.fullname)
    return {
        "id": course.id,
        "fullname": name,
        "displayname": name,
        "shortname": call.name(course.shortname),
        "courseimage": course_image(call, course),
        "categoryid": course.categoryid,
        "categoryname": call.name(category.name) if category else "",
        "sortorder": _sortorder(course, category),
        "summary": course.summary,
        "summaryformat": 1,
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": False,
        "showcompletionconditions": True,
        "contacts": [
            {"id": userid, "fullname": state.users[userid].fullname}
            for userid in course.teachers
            if userid in state.users
        ],
        "enrollmentmethods": list(course.enrolment_methods) if course.id != FRONT_PAGE else [],
    }


def course_image(call: Call, course: Course) -> str:
    return f"{call.moodle.url}/pluginfile.php/{context_id(course.id)}/course/generated/course.svg"


def _sortorder(course: Course, category: Category | None) -> int:
    # Moodle puts a new course before all others in its category.
    return category.sortorder + 9999 - course.id % 9999 if category else 1


def _full_information(course: Course) -> dict[str, Any]:
    return {
        "idnumber": course.idnumber,
        "format": course.format,
        "showgrades": 1,
        "newsitems": 0,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "maxbytes": 0,
        "showreports": 0,
        "visible": course.visible,
        "groupmode": 0,
        "groupmodeforce": 0,
        "defaultgroupingid": 0,
        "enablecompletion": 0,
        "completionnotify": 0,
        "lang": "",
        "theme": "",
        "marker": 0,
        "legacyfiles": 0,
        "calendartype": "",
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "requested": 0,
        "cacherev": 1795422125 + course.id,
        "filters": [
            {"filter": name, "localstate": -1 if name in course.filters_off else 0, "inheritedstate": 1}
            for name in _FILTERS
        ],
        "courseformatoptions": [
            {"name": "hiddensections", "value": 1},
            {"name": "coursedisplay", "value": 0},
            {"name": "indentation", "value": "1"},
        ],
    }


def _search_courses(call: Call) -> dict[str, Any]:
    params = call.params
    if params["criterianame"] != "search":
        raise invalid_parameter()
    words = params["criteriavalue"].casefold().split()
    required = set(params["requiredcapabilities"])
    if any(not re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+:[a-z0-9_]+", capability) for capability in required):
        raise invalid_parameter()
    found = [
        course
        for course in call.moodle.state.courses()
        if _has_all(call, required, course) and _is_found(call, course, words)
    ]
    call.moodle.copies.look_up(found)
    found.sort(key=lambda course: _sortorder(course, call.moodle.state.categories.get(course.categoryid)))
    total = len(found)
    if params["perpage"]:
        start = params["page"] * params["perpage"]
        found = found[start : start + params["perpage"]]
    return {
        "total": total,
        "courses": [public_information(call, course) for course in found],
        "warnings": [],
    }


def _has_all(call: Call, capabilities: set[str], course: Course) -> bool:
    if not capabilities:
        return True
    return call.user.sees_everything and not any(call.moodle.switches.lacks(one, course) for one in capabilities)


def _is_found(call: Call, course: Course, words: list[str]) -> bool:
    if course.id == FRONT_PAGE or not call.may_see(course):
        return False
    summary = re.sub(r"<[^>]*>", " ", course.summary)
    text = f"{course.fullname} {course.shortname} {course.idnumber} {summary}".casefold()
    return all(word in text for word in words)


FUNCTIONS = (
    ServiceFunction(
        "core_course_get_courses_by_field",
        Single({"field": Value(param_alphaext, default=""), "value": Value(param_raw, default="")}),
        _get_courses_by_field,
    ),
    ServiceFunction(
        "core_course_search_courses",
        Single(
            {
                "criterianame": Value(param_alphaext),
                "criteriavalue": Value(param_raw),
                "page": Value(param_int, default=0),
                "perpage": Value(param_int, default=0),
                "requiredcapabilities": Multiple(Value(param_raw), default=()),
            }
        ),
        _search_courses,
    ),
    ServiceFunction(
        "core_course_get_categories",
        Single(
            {
                "criteria": Multiple(Single({"key": Value(param_alphaext), "value": Value(param_raw)}), default=()),
                "addsubcategories": Value(param_bool, default=1),
            }
        ),
        _get_categories,
    ),
)
