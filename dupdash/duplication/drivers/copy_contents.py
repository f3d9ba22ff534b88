"""Reads the contents of a course that may be the copy of a job."""

from dupdash.duplication.moodle_health import INVALID_RESPONSE
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import UnknownRefusal
from dupdash.moodle.records import Contents, Section

# The contents of a course that is not empty, and whose contents Moodle cannot list.
NOT_LISTED = Contents(sections=(Section(id=0, number=0, name="", modules=()),), left_out=1)


def contents_of_copy(client: MoodleClient, course_id: int) -> Contents:
    """Return the contents of a course; NOT_LISTED if Moodle answers ``invalidresponse`` because of an activity.

    An empty course has no activity, so this answer proves that contents were restored. Raises MoodleError.
    """
    try:
        return client.contents(course_id)
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        return NOT_LISTED
