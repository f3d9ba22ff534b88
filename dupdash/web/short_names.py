"""Checks whether a short name is free, and finds a similar free one."""

from dupdash.duplication.request import reserved_by_job, taken_in_moodle
from dupdash.moodle.client import MoodleClient
from dupdash.web.name_suggestions import suggest


def is_free(shortname: str, client: MoodleClient) -> bool:
    """Return whether a short name is free. Raises MoodleError.

    Jobs are checked first, so that a course that Moodle is creating is not looked up.
    """
    return reserved_by_job(shortname) is None and taken_in_moodle(shortname, client) is None


def free_variant(shortname: str, client: MoodleClient) -> str:
    """Return a free short name similar to a taken one, for a later term or with a number; "" if none was found."""
    names = suggest("", shortname.strip(), lambda name: is_free(name, client))
    return names.shortname if names else ""
