"""Whether a short name is free, and which similar one is."""

from dupdash.duplication.request import held_by_job, taken_in_moodle
from dupdash.moodle.client import MoodleClient
from dupdash.web.name_suggestions import suggest


def is_free(shortname: str, client: MoodleClient) -> bool:
    """Raises MoodleError. An unfinished job is asked first, so that nobody looks up a course that is being made."""
    return held_by_job(shortname) is None and taken_in_moodle(shortname, client) is None


def free_variant(shortname: str, client: MoodleClient) -> str:
    """A free short name like a taken one: of a later term, or with a number; "" where none was found."""
    names = suggest("", shortname.strip(), lambda name: is_free(name, client))
    return names.shortname if names else ""
