"""What Moodle checks before it copies a course, and how restore names the copy."""

from __future__ import annotations

from dupdash.sandbox.errors import precheck_errors, shortname_taken
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.state import State

FRONT_PAGE = 1

# The options and their defaults. enrolments is 1 because backup::ENROL_WITHUSERS is.
OPTIONS = {
    "activities": 1,
    "blocks": 1,
    "filters": 1,
    "users": 0,
    "enrolments": 1,
    "role_assignments": 0,
    "comments": 0,
    "userscompletion": 0,
    "logs": 0,
    "grade_histories": 0,
}


def context_id(courseid: int) -> int:
    return 10_000 + courseid * 7


def temporary_names(state: State, source: Course, courseid: int | None) -> tuple[str, str]:
    """Restore's names: the source's, cut to fit with the suffix, with the first counter for which neither is
    taken.
    """
    counter = 0
    while True:
        suffix_full = f" copy {counter}" if counter else ""
        suffix_short = f"_{counter}" if counter else ""
        fullname = source.fullname[: 254 - len(suffix_full)] + suffix_full
        shortname = source.shortname[: 100 - len(suffix_short)] + suffix_short
        holders = state.by_fullname(fullname) + state.by_shortname(shortname)
        if all(holder.id == courseid for holder in holders):
            return fullname, shortname
        counter += 1


def check_may_start(state: State, request: CopyRequest) -> None:
    """The short name is looked at here, and never again: three simultaneous calls make three courses
    (measured).
    """
    taken = state.by_shortname(request.shortname)
    if taken:
        raise shortname_taken([course.fullname for course in taken])
    if request.courseid == FRONT_PAGE:
        raise precheck_errors()
