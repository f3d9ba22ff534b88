"""Finds and ranks the courses that the request form offers as a source, and marks incomplete copies."""

import contextlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db.models import Q

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.request import FRONT_PAGE, as_id, reserved_by_job
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import BUSY, State
from dupdash.duplication.unsafe_lookups import job_endangered_by_search
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.moodle.records import Course
from dupdash.web.category_picker import categories, path_of
from dupdash.web.safe_cache import cache_get, cache_set

FRESH_FOR = 300
FOUND_MOST = 20
# Moodle sorts its results by category, so the best ones may come last. This many are ranked.
RANKED_MOST = 60

PARTIAL = "Partial course: left by a failed copy"
UNDER_WAY = "Incomplete: this copy is still being made"

logger = logging.getLogger("dupdash.web")


@dataclass(frozen=True)
class Choice:
    """A course to choose as a source."""

    id: int
    fullname: str
    shortname: str
    # Its category path and its id, because two courses may have the same names.
    category: str
    # None: unknown, as in search results.
    visible: bool | None = None
    # Why it should not be copied; "" for most courses.
    warning: str = ""


@dataclass(frozen=True)
class Found:
    choices: tuple[Choice, ...] = ()
    more: bool = False
    # The chosen course if the search did not find it, so that a new search does not lose it.
    chosen: Choice | None = None
    # Only courses that this person teaches were searched.
    own: bool = False
    # Not everything was searched, because the search could break a copy that Moodle is creating.
    incomplete: bool = False


def search_sources(query: str, chosen_id: str, user: User, client: MoodleClient) -> Found:
    """Search for courses to copy, and keep the chosen course in the result. Raises MoodleError.

    ``chosen_id``: the id of the chosen course, as the form has it. Faculty see only the courses that they teach; with
    an empty query, all of them. Raises NotAllowed if it is unknown who they are in Moodle.
    """
    # No name contains NUL, and Moodle refuses to search for it.
    query = query.replace("\0", "")
    # None for an administrator, who sees every course.
    moodle_user_id = None if access.is_administrator(user) else access.moodle_user_id(user, client)
    found = find_courses(query, client) if moodle_user_id is None else _own_courses(query, moodle_user_id, client)
    if any(str(choice.id) == chosen_id for choice in found.choices):
        return found
    return replace(found, chosen=_chosen_course(chosen_id, moodle_user_id, client))


def find_courses(text: str, client: MoodleClient) -> Found:
    """Find courses by id, short name, or a part of a name, the best match first. Raises MoodleError."""
    text = text.strip()
    if not text:
        return Found()
    exact: list[Course] = []
    if (number := as_id(text)) is not None and (by_id := client.course_by_id(number)) is not None:
        exact.append(by_id)
    similar: list[Course] = []
    most, incomplete = 0, False
    for written in _ways_to_write(text):
        # Moodle refuses to look up a short name with a tag. Its search takes any text.
        with contextlib.suppress(Refused):
            exact += () if reserved_by_job(written) else client.courses_by_shortname(written)
        page = _search(written, client)
        incomplete = incomplete or page is None
        similar += page or ()
        most = max(most, len(page or ()))
    courses = {course.id: course for course in (*exact, *similar) if course.id != FRONT_PAGE}
    ranked = _ranked(courses.values(), text)
    more = len(ranked) > FOUND_MOST or most == RANKED_MOST
    return Found(_choices(ranked[:FOUND_MOST], client), more, incomplete=incomplete)


def remember_choice(choice: Choice, user: User, client: MoodleClient) -> None:
    """Store the names of a chosen course, so that the form can show them if Moodle does not answer."""
    cache_set(_choice_key(choice.id, user, client.site_url), vars(choice), FRESH_FOR * 12)


def remembered_choice(source: str, user: User, site_url: str) -> Choice | None:
    """Return the chosen course as far as it is known without Moodle: its names, or only its id.

    Returns None if no course is chosen.
    """
    number = as_id(source)
    if number is None:
        return None
    stored = cache_get(_choice_key(number, user, site_url))
    try:
        return Choice(**stored)
    except TypeError:
        return Choice(number, f"Course {number}", "", "name unknown while Moodle does not answer")


def _choice_key(course_id: int, user: User, site_url: str) -> str:
    # For each person: not everybody may see a course.
    return f"choice:{site_url}:{user.pk}:{course_id}"


def _ways_to_write(text: str) -> list[str]:
    """Return the text as typed and, if it is one word, without punctuation, so that “Bio-101” finds BIO101."""
    squeezed = re.sub(r"[\s\W_]+", "", text)
    return [text] if squeezed == text or not squeezed or " " in text else [text, squeezed]


def _ranked(courses: Iterable[Course], text: str) -> list[Course]:
    """Return the courses, the best match first, and incomplete copies last.

    Courses with this id or short name come first, then short names and full names that begin with ``text``, then names
    that contain it, then courses that Moodle found by other texts.
    """
    courses = list(courses)
    incomplete = _incomplete(course.id for course in courses)
    number, sought, squeezed = as_id(text), fold_text(text), _squeezed(text)

    def rank(course: Course) -> tuple[bool, int]:
        short, full = _squeezed(course.shortname), fold_text(in_one_language(course.fullname))
        if course.id == number or short == squeezed:
            place = 0
        elif squeezed and short.startswith(squeezed):
            place = 1
        elif full.startswith(sought):
            place = 2
        elif any(
            word.startswith(sought)
            for word in re.split(r"[\W_]+", f"{full} {fold_text(in_one_language(course.shortname))}")
        ):
            place = 3
        elif sought in full or (squeezed and squeezed in short):
            place = 4
        else:
            # Moodle found it by its summary.
            place = 5
        return course.id in incomplete, place

    return sorted(courses, key=rank)


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", fold_text(in_one_language(text)))


def _incomplete(course_ids: Iterable[int]) -> dict[int, str]:
    """Return, by course id, a warning for each of these courses that is partial or still being made."""
    left = Q(state=State.FAILED, course_deleted_at__isnull=True) & ~Q(proof=Proof.NONE)
    jobs = DuplicationJob.objects.filter(left | Q(state__in=BUSY), course_id__in=list(course_ids))
    return {
        course_id: PARTIAL if state == State.FAILED else UNDER_WAY
        for course_id, state in jobs.values_list("course_id", "state")
        if course_id is not None
    }


def _choices(courses: Iterable[Course], client: MoodleClient) -> tuple[Choice, ...]:
    courses = list(courses)
    if not courses:
        return ()
    incomplete = _incomplete(course.id for course in courses)
    try:
        all_categories = categories(client)
    except MoodleError:
        all_categories = ()
    return tuple(
        Choice(
            course.id,
            course.fullname,
            course.shortname,
            _where(path_of(course.category_id, all_categories) or isolate(course.category_name), course),
            course.visible,
            incomplete.get(course.id, ""),
        )
        for course in courses
    )


def choice_of(course: Course, client: MoodleClient) -> Choice:
    return _choices([course], client)[0]


def _where(category: str, course: Course) -> str:
    return f"{category} · id {course.id}" if category else f"id {course.id}"


def _own_courses(query: str, moodle_user_id: int, client: MoodleClient) -> Found:
    """Return the courses that a Moodle user teaches: all of them, or those that match the search."""
    text = fold_text(query.strip())
    own = {course.id: course for course in _taught(moodle_user_id, client) if _fits(course, text)}
    if text:
        # A teacher need not be enrolled, so the list of their courses may lack some.
        similar = _search(query.strip(), client)
        own |= {course.id: course for course in similar or () if _teaches(moodle_user_id, course)}
        return Found(_choices(_ranked(own.values(), query.strip()), client), own=True, incomplete=similar is None)
    return Found(_choices(own.values(), client), own=True)


def _search(text: str, client: MoodleClient) -> tuple[Course, ...] | None:
    """Return the result of Moodle's search; None if the search could break a copy that Moodle is creating."""
    if job_endangered_by_search(text) is not None:
        return None
    return client.search_courses(text, perpage=RANKED_MOST)


def _taught(moodle_user_id: int, client: MoodleClient) -> tuple[Course, ...]:
    key = f"taught:{client.site_url}:{moodle_user_id}"
    try:
        ids = cache_get(key)
        if not isinstance(ids, list):
            ids = [course.id for course in client.users_courses(moodle_user_id)]
            found = [course for course in client.courses_by_ids(ids) if _teaches(moodle_user_id, course)]
            cache_set(key, [course.id for course in found], FRESH_FOR)
            return tuple(found)
        return tuple(course for course in client.courses_by_ids(ids) if _teaches(moodle_user_id, course))
    except (ConfigurationFault, Refused) as error:
        # The token lacks this function. The search works without it.
        logger.warning("the courses of a person cannot be listed: %s", error)
        return ()


def _teaches(moodle_user_id: int, course: Course) -> bool:
    return course.id != FRONT_PAGE and any(contact.id == moodle_user_id for contact in course.contacts)


def _fits(course: Course, text: str) -> bool:
    if text in fold_text(f"{course.fullname}\n{course.shortname}") or text == str(course.id):
        return True
    squeezed = _squeezed(text)
    return bool(squeezed) and squeezed in _squeezed(course.shortname)


def _chosen_course(chosen_id: str, moodle_user_id: int | None, client: MoodleClient) -> Choice | None:
    """Return the course that is chosen in the form; None if there is none, or if this person may not choose it."""
    number = as_id(chosen_id)
    course = client.course_by_id(number) if number is not None else None
    if course is None or (moodle_user_id is not None and not _teaches(moodle_user_id, course)):
        return None
    return choice_of(course, client)
