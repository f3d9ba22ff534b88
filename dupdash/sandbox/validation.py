"""Checks a request for a copy as Moodle does, and computes the temporary names that restore gives to the copy."""

from collections.abc import Iterable

from dupdash.sandbox.errors import (
    no_permissions,
    precheck_errors,
    setting_locked,
    setting_not_found,
    shortname_taken,
)
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.state import State

FRONT_PAGE = 1

# The options and their documented defaults. enrolments is 1 because backup::ENROL_WITHUSERS is 1. Moodle itself never
# applies these defaults: for an option that is left out it uses the backup's own default, which is 1.
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


CONFIGURE = "moodle/backup:configure"
BACKUP_USERINFO = "moodle/backup:userinfo"
ENROLCONFIG = "moodle/course:enrolconfig"
ROLE_ASSIGN = "moodle/role:assign"
ROLLDATES = "moodle/restore:rolldates"
PEOPLE_CAPABILITIES = {BACKUP_USERINFO: "Backup user data", "moodle/restore:userinfo": "Restore user data"}


def context_id(courseid: int) -> int:
    return 10_000 + courseid * 7


def temporary_names(state: State, source: Course, courseid: int | None) -> tuple[str, str]:
    """Return the temporary full and short name: those of the source with the first counter for which both are free.

    The name of the source is shortened if the counter would make it too long.
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


def check_may_start(state: State, request: CopyRequest, lacks: frozenset[str], settings: Iterable[str]) -> None:
    """Check, in Moodle's order: capabilities for user data, the short name, the backup's settings, the precheck.

    ``lacks``: the capabilities that the account lacks. ``settings``: the options that are set in the backup. The short
    name is never checked again: three simultaneous calls make three courses (measured).
    """
    if request.option("users"):
        for capability, words in PEOPLE_CAPABILITIES.items():
            if capability in lacks:
                raise no_permissions(words)
    taken = state.by_shortname(request.shortname)
    if taken:
        raise shortname_taken([course.fullname for course in taken])
    for name in settings:
        _check_setting(name, lacks)
    if request.courseid == FRONT_PAGE:
        # Moodle creates the course before the precheck, and does not remove it (measured).
        state.add(
            fullname=request.fullname,
            shortname=request.shortname,
            categoryid=request.categoryid,
            visible=0,
            origin="copy",
            requested=request.shortname,
            complete=False,
        )
        error = precheck_errors()
        error.left_a_course = True
        raise error


def _check_setting(name: str, lacks: frozenset[str]) -> None:
    """Check one option. Measured: enrolments is no setting of a backup; users needs the right to copy people."""
    if name == "enrolments":
        raise setting_not_found()
    if CONFIGURE in lacks or (name == "users" and BACKUP_USERINFO in lacks):
        raise setting_locked()
