"""What a course holds that may be the copy of a job, also where Moodle cannot list it."""

from dupdash.duplication.moodle_health import INVALID_RESPONSE
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import UnknownRefusal
from dupdash.moodle.records import Contents, Section

# A course that holds something, and nobody knows what.
NOT_LISTED = Contents(sections=(Section(id=0, number=0, name="", modules=()),), left_out=1)


def contents_of_copy(client: MoodleClient, course_id: int) -> Contents:
    """The contents of the course; NOT_LISTED where a restored activity breaks the list. Raises MoodleError.

    Moodle answers ``invalidresponse`` because of an odd activity, and an empty course has none: the answer proves that
    the restore has come as far as the contents.
    """
    try:
        return client.contents(course_id)
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        return NOT_LISTED
