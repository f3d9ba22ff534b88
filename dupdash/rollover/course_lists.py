"""Lists the courses of a category and its subcategories, or the courses that a search finds."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dupdash.duplication.client_pool import ClientPool
from dupdash.duplication.request import FRONT_PAGE
from dupdash.duplication.unsafe_lookups import job_endangered_by_listing, job_endangered_by_search
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Category, Course

# The maximum number of courses of a category that are listed.
LISTED_MOST = 1000
READERS_MOST = 4
# The maximum number of courses that are read from a search: one page of its result.
FOUND_MOST = 200


class CannotList(Exception):
    """The courses cannot be listed now. The message tells a person why."""


def courses_of_category(
    category_id: int, all_categories: Sequence[Category], open_reader: Callable[[], MoodleClient]
) -> list[Course]:
    """Return the courses of a category and all its subcategories. Raises CannotList and MoodleError."""
    ids = [one.id for one in all_categories if str(category_id) in one.path.strip("/").split("/")]
    if job_endangered_by_listing(ids) is not None:
        # Listing a course breaks its restore if the course is only a few milliseconds old (rule 7).
        raise CannotList(
            "Moodle is making a copy in this category or a subcategory. Until it is made, dupdash cannot list these "
            "courses. Try again in a moment."
        )
    expected = sum(one.coursecount for one in all_categories if one.id in ids)
    if expected > LISTED_MOST:
        raise CannotList(
            f"This category and its subcategories have {expected:,} courses. Choose one with at most {LISTED_MOST:,}."
        )

    with_courses = [one.id for one in all_categories if one.id in ids and one.coursecount]
    with ClientPool(open_reader) as clients, ThreadPoolExecutor(READERS_MOST) as threads:

        def read(one: int) -> tuple[Course, ...]:
            with clients.borrow() as client:
                return client.courses_in_category(one)

        return _sorted(course for found in threads.map(read, with_courses) for course in found)


def courses_found(text: str, client: MoodleClient) -> tuple[list[Course], bool]:
    """Return the courses that Moodle's search finds, at most FOUND_MOST, and whether it may find more.

    Raises CannotList and MoodleError.
    """
    if job_endangered_by_search(text) is not None:
        raise CannotList(
            "Moodle is creating a copy with a similar name. Until it is made, dupdash cannot search for this text. "
            "Search again in a moment."
        )
    found = client.search_courses(text, perpage=FOUND_MOST)
    return _sorted(found), len(found) >= FOUND_MOST


def _sorted(courses: Iterable[Course]) -> list[Course]:
    return sorted(
        (course for course in courses if course.id != FRONT_PAGE), key=lambda course: course.shortname.casefold()
    )
