"""What the request form shows of the Moodle: its categories as a tree, and courses to choose from."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dupdash.accounts import access
from dupdash.duplication.moodle_health import no_category
from dupdash.duplication.newborn import job_that_may_be_newborn
from dupdash.duplication.request import FRONT_PAGE, as_id, held_by_job
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.text_direction import isolate
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.moodle.records import Category, Course
from dupdash.web.safe_cache import cache_get, cache_set

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Categories change rarely; what the form shows is checked against Moodle again when it is sent.
FRESH_FOR = 300
# Better an old list than none while the Moodle does not answer.
KEPT_FOR = 24 * 3600
FOUND_AT_ONCE = 20

logger = logging.getLogger("dupdash.web")


@dataclass
class Node:
    """A category in the tree of the form."""

    id: int
    name: str
    disabled: bool
    # Of this category or of one above it: students see nothing of what lies in it.
    hidden: bool = False
    children: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """A course to choose as a source."""

    id: int
    fullname: str
    shortname: str
    # Its category, and its id as it stands in Moodle's addresses: two courses may share all their names.
    category: str
    # None: Moodle does not tell, as in search results.
    visible: bool | None = None

    @classmethod
    def of(cls, course: Course) -> "Choice":
        where = f"{isolate(course.category_name)} · " if course.category_name else ""
        return cls(course.id, course.fullname, course.shortname, f"{where}id {course.id}", course.visible)


@dataclass(frozen=True)
class Found:
    choices: tuple[Choice, ...] = ()
    more: bool = False
    # What is chosen already, where the search did not find it again: a new search must not lose it.
    chosen: Choice | None = None
    # Only what this person teaches was searched.
    own: bool = False
    # Not everything was searched: a copy that such a search would find is just being created, and would break.
    incomplete: bool = False


def categories(client: MoodleClient) -> tuple[Category, ...]:
    """All categories, at most some minutes old; older ones where Moodle does not answer.

    Raises MoodleError where Moodle cannot be asked, and where it shows no category at all. A broken cache costs a
    question to Moodle, not the page.
    """
    known = _kept(client.site_url)
    if known and time.time() - known[0] < FRESH_FOR:
        return known[1]
    try:
        fresh = client.categories()
    except MoodleError:
        if known:
            return known[1]
        raise
    if not fresh:
        raise no_category()
    _keep(client.site_url, fresh)
    return fresh


def tree(all_of_them: Iterable[Category], user: "User") -> list[Node]:
    """The categories as they lie in Moodle that this person may copy into.

    What lies above one of them is shown, too, and cannot be chosen: else nobody knows which "Semester 1" it is.
    """
    top: list[Node] = []
    nodes: dict[int, Node] = {}
    for category in sorted(all_of_them, key=lambda category: (category.depth, category.sortorder)):
        parent = nodes.get(category.parent)
        hidden = category.visible is False or (parent is not None and parent.hidden)
        node = Node(category.id, category.name, not access.may_copy_into(user, category), hidden)
        nodes[category.id] = node
        # A parent that the account may not see: its children stand at the top rather than nowhere.
        (parent.children if parent else top).append(node)
    return _offered(top)


def is_hidden(category_id: int | None, all_of_them: Iterable[Category]) -> bool:
    """Whether a category, or one above it, is hidden from students."""
    known = {category.id: category for category in all_of_them}
    category = known.get(category_id or 0)
    if category is None:
        return False
    path = [int(step) for step in category.path.strip("/").split("/") if step.isdigit()]
    return any(known[step].visible is False for step in path if step in known)


def _offered(nodes: list[Node]) -> list[Node]:
    for node in nodes:
        node.children = _offered(node.children)
    return [node for node in nodes if node.children or not node.disabled]


def find_source(query: str, source: str, user: "User", client: MoodleClient) -> Found:
    """What a search finds, and beside it what is chosen (by its id) already; raises MoodleError.

    Faculty may only choose what they teach, and so see nothing else, and that before they search. Raises NotAllowed
    where nobody can tell who they are in Moodle.
    """
    # No name holds a NUL, and Moodle refuses to look for one.
    query = query.replace("\0", "")
    # None: an administrator, to whom every course is shown.
    person = None if access.is_administrator(user) else access.moodle_user_id(user, client)
    found = find_courses(query, client) if person is None else _own_courses(query, person, client)
    if any(str(choice.id) == source for choice in found.choices):
        return found
    return replace(found, chosen=_chosen_course(source, person, client))


def find_courses(text: str, client: MoodleClient) -> Found:
    """Courses by id, by short name, and by part of a name; raises MoodleError."""
    text = text.strip()
    if not text:
        return Found()
    try:
        exact = [] if held_by_job(text) else list(client.courses_by_shortname(text))
    except Refused:
        # No short name holds a tag: Moodle refuses to look for one. Its search takes any text.
        exact = []
    if (number := as_id(text)) is not None:
        by_id = client.course_by_id(number)
        exact = [by_id, *exact] if by_id else exact
    similar = _search(text, client)
    if similar is None:
        return Found(tuple(Choice.of(course) for course in exact if course.id != FRONT_PAGE), incomplete=True)
    courses = {course.id: course for course in (*exact, *similar) if course.id != FRONT_PAGE}
    return Found(tuple(map(Choice.of, courses.values())), more=len(similar) == FOUND_AT_ONCE)


def _own_courses(query: str, person: int, client: MoodleClient) -> Found:
    """The courses a person teaches, all or those that fit a search."""
    text = fold_text(query.strip())
    own = {course.id: course for course in _taught(person, client) if _fits(course, text)}
    if text:
        # Whoever the site lists as a teacher need not be enrolled, and the list need not be at hand.
        similar = _search(query.strip(), client)
        own |= {course.id: course for course in similar or () if _teaches(person, course)}
        return Found(tuple(map(Choice.of, own.values())), own=True, incomplete=similar is None)
    return Found(tuple(map(Choice.of, own.values())), own=True)


def _search(text: str, client: MoodleClient) -> tuple[Course, ...] | None:
    """What Moodle's search finds; None where it could find, and break, a copy that is just being created."""
    if job_that_may_be_newborn(text) is not None:
        return None
    return client.search_courses(text, perpage=FOUND_AT_ONCE)


def _taught(person: int, client: MoodleClient) -> tuple[Course, ...]:
    key = f"taught:{client.site_url}:{person}"
    try:
        ids = cache_get(key)
        if not isinstance(ids, list):
            ids = [course.id for course in client.users_courses(person)]
            found = [course for course in client.courses_by_ids(ids) if _teaches(person, course)]
            cache_set(key, [course.id for course in found], FRESH_FOR)
            return tuple(found)
        return tuple(course for course in client.courses_by_ids(ids) if _teaches(person, course))
    except (ConfigurationFault, Refused) as error:
        # This token may not ask for it. Searching works all the same.
        logger.warning("the courses of a person cannot be listed: %s", error)
        return ()


def _teaches(person: int, course: Course) -> bool:
    return course.id != FRONT_PAGE and any(contact.id == person for contact in course.contacts)


def _fits(course: Course, text: str) -> bool:
    return text in fold_text(f"{course.fullname}\n{course.shortname}") or text == str(course.id)


def _chosen_course(source: str, person: int | None, client: MoodleClient) -> Choice | None:
    """The course that is chosen in the form, by its id, where it is one that this person may choose."""
    number = as_id(source)
    course = client.course_by_id(number) if number is not None else None
    if course is None or (person is not None and not _teaches(person, course)):
        return None
    return Choice.of(course)


def _kept(site_url: str) -> tuple[float, tuple[Category, ...]] | None:
    stored = cache_get(f"categories:{site_url}")
    if not stored:
        return None
    try:
        return float(stored[0]), tuple(Category(**category) for category in stored[1])
    except (TypeError, ValueError, LookupError):
        # As an older version of this program kept it.
        return None


def _keep(site_url: str, fresh: tuple[Category, ...]) -> None:
    cache_set(f"categories:{site_url}", (time.time(), [vars(category) for category in fresh]), KEPT_FOR)
