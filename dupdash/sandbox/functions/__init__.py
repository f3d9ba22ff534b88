"""Lists the web service functions by name, in the order in which the site lists them."""

from __future__ import annotations

from dupdash.sandbox.functions import contents, copying, editing, plugin, reading, site, users
from dupdash.sandbox.functions.call import Call, ServiceFunction

STANDARD: dict[str, ServiceFunction] = {
    function.name: function
    for function in (
        *site.FUNCTIONS,
        *copying.FUNCTIONS,
        *reading.FUNCTIONS,
        *contents.FUNCTIONS,
        *users.FUNCTIONS,
        *editing.FUNCTIONS,
    )
}

PROPOSED: dict[str, ServiceFunction] = {function.name: function for function in copying.PROPOSED_FUNCTIONS}
PLUGIN: dict[str, ServiceFunction] = {function.name: function for function in plugin.FUNCTIONS}

# Functions of Moodle that the service lacks. A call is refused as measured with core_course_get_courses
# (function_not_in_service.json); an unknown function is a different error.
OUTSIDE_THE_SERVICE = frozenset(
    {
        "core_course_get_courses",
        "core_course_get_enrolled_courses_by_timeline_classification",
        "core_course_get_updates_since",
        "core_user_create_users",
        "core_user_get_users",
        "mod_assign_get_assignments",
    }
)

__all__ = ["OUTSIDE_THE_SERVICE", "PLUGIN", "PROPOSED", "STANDARD", "Call", "ServiceFunction"]
