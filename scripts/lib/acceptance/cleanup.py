"""Finds the courses of an acceptance run in Moodle, reports unexpected ones, and deletes those that the run made."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .copies import ENDED, SUCCEEDED, CopyRequest, Job
from .moodle import Course, MoodleClient

# After an interrupted run: the seconds to wait for unfinished copies, and the seconds between two checks.
SETTLE_LONGEST = 120.0
SETTLE_EVERY = 3.0
# The seconds after which a course with a temporary name is no longer considered a running copy of somebody else.
STRANGER_WAIT = 15.0


@dataclass(frozen=True)
class Leftovers:
    """The courses that are in the category at the end of the run and were not there before."""

    # Courses that the run made: they have its prefix, or succeeded jobs name them.
    own: tuple[Course, ...]
    # New courses with a temporary name: a broken copy of this run, or a running copy of somebody else.
    unknown: tuple[Course, ...]


def wait_for_unfinished(client: MoodleClient, jobs: Iterable[Job], sleep: Callable[[float], None] = time.sleep) -> int:
    """Wait until Moodle has finished the copies of unfinished jobs. Returns how many did not appear.

    A course has its requested name for a moment when it is created, and again when it is complete, so it must be found
    twice. These lookups can break the copy. This does no harm, because the copy is deleted in any case.
    """
    waiting, seen = {job.shortname for job in jobs}, set[str]()
    deadline = time.monotonic() + SETTLE_LONGEST
    while waiting and time.monotonic() < deadline:
        sleep(SETTLE_EVERY)
        found = {shortname for shortname in waiting if client.courses_named(shortname)}
        waiting -= found & seen
        seen = found
    return len(waiting)


def find_leftovers(
    client: MoodleClient, category: int, prefix: str, before: frozenset[int], jobs: Iterable[Job], sources: list[Course]
) -> Leftovers:
    """Return the courses in the category that were not there ``before``. All copies of the run must have ended."""
    named = {job.course_id for job in jobs if job.state == SUCCEEDED}
    new = [course for course in client.courses_in(category) if course.id not in before]
    own = tuple(course for course in new if course.shortname.startswith(prefix) or course.id in named)
    unknown = [course for course in new if course not in own and _temporary(course, sources)]
    if unknown:
        # A complete copy of somebody else no longer has a temporary name.
        time.sleep(STRANGER_WAIT)
        unknown = [course for course in unknown if client.course(course.id) == course]
    return Leftovers(own, tuple(unknown))


def _temporary(course: Course, sources: list[Course]) -> bool:
    """Return whether a course has a temporary name that Moodle gives to a copy of one of these sources."""
    stem = re.sub(r"_\d+$", "", course.shortname)
    return stem != course.shortname and any(source.shortname.startswith(stem) for source in sources)


def problems_of(leftovers: Leftovers, requests: Iterable[CopyRequest], jobs: dict[str, Job]) -> Iterator[str]:
    """Return the problems: courses that were made twice, and courses that no succeeded job names."""
    made = Counter(course.shortname for course in leftovers.own)
    for shortname, count in made.items():
        if count > 1:
            yield f"{count} courses have the short name {shortname}"
    results = {job.course_id for job in jobs.values() if job.state == SUCCEEDED}
    # The course of a job that has not ended is not judged.
    under_way = {job.shortname for job in jobs.values() if job.state not in ENDED}
    for course in leftovers.own:
        if course.id not in results and course.shortname not in under_way:
            yield f"left behind: course {course.id} ({course.shortname}), which no succeeded job names"
    requested = {request.stored_shortname for request in requests}
    for shortname in sorted(set(made) - requested):
        yield f"a course has the short name {shortname}, which nobody requested"
    for course in leftovers.unknown:
        yield (
            f"course {course.id} ({course.shortname}) is new and may have been left behind by a copy. It may also be "
            "somebody else's, and was not deleted"
        )


def delete_courses(client: MoodleClient, courses: Iterable[Course]) -> tuple[Course, ...]:
    """Delete these courses. Returns those that still exist."""
    courses = tuple(courses)
    client.delete([course.id for course in courses])
    return tuple(course for course in courses if client.course(course.id) is not None)
