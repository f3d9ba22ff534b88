"""Lists the web service functions by name, in the order in which the site lists them."""

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

# A function of Moodle that the service lacks. A call is refused as measured (function_not_in_service.json); an unknown
# function is a different error.
OUTSIDE_THE_SERVICE = frozenset({"core_course_get_courses"})

__all__ = ["OUTSIDE_THE_SERVICE", "PLUGIN", "PROPOSED", "STANDARD", "Call", "ServiceFunction"]
