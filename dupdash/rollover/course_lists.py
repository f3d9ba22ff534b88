"""Lists the courses of a category with all below it, or those that a search finds, to choose from."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dupdash.duplication.client_pool import ClientPool
from dupdash.duplication.newborn import job_that_may_be_newborn, job_that_may_be_newborn_in
from dupdash.duplication.request import FRONT_PAGE
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Category, Course

# More courses than that are chosen in parts.
LISTED_MOST = 1000
READERS = 4
SEARCHED_AT_ONCE = 200


class CannotList(Exception):
    """The courses cannot be listed now; the message is for a person."""


def courses_of_category(
    category_id: int, known: Sequence[Category], open_reader: Callable[[], MoodleClient]
) -> list[Course]:
    """The courses of a category and of all below it. Raises CannotList and MoodleError."""
    ids = [one.id for one in known if str(category_id) in one.path.strip("/").split("/")]
    if job_that_may_be_newborn_in(ids) is not None:
        # Listing a course in its first milliseconds breaks its restore (rule 7).
        raise CannotList("A copy into this category is just being made. Try again in a moment.")
    expected = sum(one.coursecount for one in known if one.id in ids)
    if expected > LISTED_MOST:
        message = f"There are {expected:,} courses. Choose a category with at most {LISTED_MOST:,}."
        raise CannotList(message)

    with_courses = [one.id for one in known if one.id in ids and one.coursecount]
    with ClientPool(open_reader) as clients, ThreadPoolExecutor(READERS) as threads:

        def read(one: int) -> tuple[Course, ...]:
            with clients.borrow() as client:
                return client.courses_in_category(one)

        return _sorted(course for found in threads.map(read, with_courses) for course in found)


def courses_found(text: str, client: MoodleClient) -> list[Course]:
    """The courses that Moodle's search finds. Raises CannotList and MoodleError."""
    if job_that_may_be_newborn(text) is not None:
        raise CannotList("A copy that this search could find is just being made. Try again in a moment.")
    return _sorted(client.search_courses(text, perpage=SEARCHED_AT_ONCE))


def _sorted(courses: Iterable[Course]) -> list[Course]:
    return sorted(
        (course for course in courses if course.id != FRONT_PAGE), key=lambda course: course.shortname.casefold()
    )
