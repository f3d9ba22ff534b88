"""A Moodle client that loads many courses in advance: many ids in one request, several names at the same time.

Lookups of loaded courses need no request. Any other lookup asks Moodle once and keeps the answer. So the checks of a
single request (``request.prepare``, ``access.require_submit``) are fast enough for a thousand requests.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dupdash.duplication.client_pool import ClientPool
from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent
from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.records import Category, Course, User

# How many lookups run at the same time. Each takes about 20 ms in Moodle.
READERS_MOST = 8
# How many courses one request asks for. Such a request takes about 0.4 s in Moodle.
IDS_AT_ONCE = 50

# The courses that a lookup found, or its error.
Answer = tuple[Course, ...] | MoodleError


class BulkClient(MoodleClient):
    """A client that answers lookups from loaded courses. ``open_reader`` opens a client for a parallel lookup."""

    def __init__(self, open_reader: Callable[[], MoodleClient], site_url: str, token: str, **more: Any) -> None:
        super().__init__(site_url, token, **more)
        self._open_reader = open_reader
        self._categories: tuple[Category, ...] | None = None
        self._by_id: dict[int, Answer] = {}
        self._by_shortname: dict[str, Answer] = {}
        self._by_idnumber: dict[str, Answer] = {}
        self._users: dict[tuple[str, str], tuple[User, ...]] = {}

    def load(self, *, ids: Iterable[int] = (), shortnames: Iterable[str] = (), idnumbers: Iterable[str] = ()) -> None:
        """Look up the courses that are not loaded yet.

        Raises NotSent and ConfigurationFault, because no other lookup would work then. Any other error is raised when
        the course is asked for.
        """
        wanted_ids = sorted(set(ids) - self._by_id.keys())
        names = sorted({name for name in shortnames if name and name not in self._by_shortname})
        for name in _reserved_by_jobs(names):
            # A course that is being made must not be looked up, because that could break its restore (rule 7). The
            # validation finds the job instead.
            self._by_shortname[name] = ()
        numbers = {number for number in idnumbers if number and number not in self._by_idnumber}
        for number in _given_by_jobs(numbers):
            self._by_idnumber[number] = ()
        starts = range(0, len(wanted_ids), IDS_AT_ONCE)
        tasks: list[Callable[[MoodleClient], None]] = [
            *(partial(self._load_ids, wanted_ids[start : start + IDS_AT_ONCE]) for start in starts),
            *(partial(self._load_shortname, name) for name in names if name not in self._by_shortname),
            *(partial(self._load_idnumber, number) for number in sorted(numbers - self._by_idnumber.keys())),
        ]
        if tasks:
            _run_all(tasks, self._open_reader)

    # --- The lookups of the validation ------------------------------------------------------------------

    def categories(self) -> tuple[Category, ...]:
        if self._categories is None:
            self._categories = super().categories()
        return self._categories

    def course_by_id(self, course_id: int) -> Course | None:
        if course_id not in self._by_id:
            self._by_id[course_id] = _as_tuple(super().course_by_id(course_id))
        found = _courses_or_raise(self._by_id[course_id])
        return found[0] if found else None

    def courses_by_shortname(self, shortname: str) -> tuple[Course, ...]:
        if shortname not in self._by_shortname:
            self._by_shortname[shortname] = self._remember(super().courses_by_shortname(shortname))
        return _courses_or_raise(self._by_shortname[shortname])

    def courses_by_idnumber(self, idnumber: str) -> tuple[Course, ...]:
        if idnumber not in self._by_idnumber:
            self._by_idnumber[idnumber] = self._remember(super().courses_by_idnumber(idnumber))
        return _courses_or_raise(self._by_idnumber[idnumber])

    def users_by_field(self, field: str, value: str) -> tuple[User, ...]:
        if (field, value) not in self._users:
            self._users[field, value] = super().users_by_field(field, value)
        return self._users[field, value]

    # --- Loading ----------------------------------------------------------------------------------------

    def _remember(self, courses: tuple[Course, ...]) -> tuple[Course, ...]:
        for course in courses:
            self._by_id.setdefault(course.id, (course,))
        return courses

    def _load_ids(self, ids: list[int], client: MoodleClient) -> None:
        self._by_id.update(_courses_of(ids, client))

    def _load_shortname(self, name: str, client: MoodleClient) -> None:
        self._by_shortname[name] = _answer(lambda: self._remember(client.courses_by_shortname(name)))

    def _load_idnumber(self, idnumber: str, client: MoodleClient) -> None:
        self._by_idnumber[idnumber] = _answer(lambda: self._remember(client.courses_by_idnumber(idnumber)))


def _answer(ask: Callable[[], tuple[Course, ...]]) -> Answer:
    """Return the courses, or the error of this lookup. Raises NotSent and ConfigurationFault: no lookup would work."""
    try:
        return ask()
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        return error


def _as_tuple(course: Course | None) -> tuple[Course, ...]:
    return (course,) if course else ()


def _courses_of(ids: list[int], client: MoodleClient) -> Iterator[tuple[int, Answer]]:
    """Yield each id with its answer: the course in a tuple, an empty tuple, or an error.

    One missing id makes the whole request fail (measured). Then the ids are split into halves, which are requested
    separately.
    """
    if len(ids) == 1:
        yield ids[0], _answer(lambda: _as_tuple(client.course_by_id(ids[0])))
        return
    found = _answer(lambda: client.courses_by_ids(ids))
    if isinstance(found, MoodleError):
        half = len(ids) // 2
        yield from _courses_of(ids[:half], client)
        yield from _courses_of(ids[half:], client)
        return
    by_id = {course.id: course for course in found}
    yield from ((course_id, _as_tuple(by_id.get(course_id))) for course_id in ids)


def _courses_or_raise(answer: Answer) -> tuple[Course, ...]:
    if isinstance(answer, MoodleError):
        raise answer
    return answer


def _reserved_by_jobs(names: list[str]) -> list[str]:
    """Return those of the short names ``names`` that an unfinished job reserves."""
    if not names:
        return []
    reserved = set(DuplicationJob.objects.unfinished().values_list("shortname_key", flat=True))
    return [name for name in names if short_name_key(name) in reserved]


def _given_by_jobs(idnumbers: Collection[str]) -> set[str]:
    """Return those of the ID numbers ``idnumbers`` that the copies of unfinished jobs will get."""
    if not idnumbers:
        return set()
    given = DuplicationJob.objects.unfinished().exclude(idnumber="").values_list("idnumber", flat=True)
    keys = {number.casefold() for number in given}
    return {number for number in idnumbers if number.casefold() in keys}


def _run_all(tasks: list[Callable[[MoodleClient], None]], open_reader: Callable[[], MoodleClient]) -> None:
    """Run the tasks at the same time, each with its own client. Stops after an error, and raises it."""
    with ClientPool(open_reader) as clients, ThreadPoolExecutor(READERS_MOST) as threads:

        def run(task: Callable[[MoodleClient], None]) -> None:
            with clients.borrow() as client:
                task(client)

        list(threads.map(run, tasks))
