"""The client: one method for each web service function that dupdash calls.

Every method raises a :class:`~dupdash.moodle.errors.MoodleError` when Moodle does not give what was asked
for, and nothing else. The token travels in the body of POST requests only; it is in no URL, log line,
``repr`` or exception. Behaviour and shapes were measured on Moodle 4.5.6.
"""

import logging
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import requests

from dupdash.moodle import parsing
from dupdash.moodle.errors import NoTrustworthyAnswer, Refused, UnknownRefusal
from dupdash.moodle.options import ASYNCHRONOUS, SYNCHRONOUS, WireOption, to_wire
from dupdash.moodle.records import (
    AsyncResult,
    AsyncStatus,
    Category,
    Contents,
    Course,
    Duplicated,
    SiteInfo,
    User,
)
from dupdash.moodle.transport import Parameter, Timeouts, Transport

logger = logging.getLogger("dupdash.moodle")

T = TypeVar("T")
LONGEST_DELETION = 300.0
"""Seconds to wait for Moodle to delete a course; a large one takes longer than any read."""
RAW_NAMES: Mapping[str, Parameter] = {"moodlewssettingraw": 1}
"""Names as Moodle stores them: with all their languages, and without HTML escaping."""
BY_FIELD = "core_course_get_courses_by_field"


class MoodleClient:
    """Speaks to one Moodle with one token.

    ``connect_timeout``, ``read_timeout`` and ``duplication_timeout`` are seconds; the latter two count for
    a whole answer. A read is repeated up to ``read_retries`` times when the request or its answer was lost
    (not when time ran out), so that it takes at most about ``read_timeout + (1 + read_retries) *
    connect_timeout``, unless a site keeps closing connections late. ``session`` carries the reads;
    ``verify`` is False, or the path of certificates to trust. One thread may read while another one
    duplicates.

    Raises ValueError, saying what to do, for an address or a token that cannot be one.
    """

    def __init__(
        self,
        site_url: str,
        token: str,
        *,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        duplication_timeout: float = 3600 * 2,
        read_retries: int = 2,
        session: requests.Session | None = None,
        verify: bool | str = True,
    ) -> None:
        # What was left out of answers, the latest at the end, for ``check_moodle`` to show.
        self.left_out: deque[str] = deque(maxlen=100)
        self._transport = Transport(site_url, token, verify=verify, session=session, note=self._note)
        self._reading = Timeouts(connect_timeout, read_timeout)
        self._duplicating = Timeouts(connect_timeout, duplication_timeout)
        self._deleting = Timeouts(connect_timeout, min(LONGEST_DELETION, duplication_timeout))
        self._read_retries = read_retries

    @property
    def site_url(self) -> str:
        """The address of the site, without a slash at the end."""
        return self._transport.site_url

    def __repr__(self) -> str:
        return f"<MoodleClient of {self.site_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client opens new ones if it is used again."""
        self._transport.close()

    def _note(self, left_out: str) -> None:
        logger.warning("left out of an answer of Moodle: %s", left_out)
        self.left_out.append(left_out)

    # --- reads ------------------------------------------------------------------------------------------

    def site_info(self) -> SiteInfo:
        """Which site this is, and which functions the token may call."""
        return self._read("core_webservice_get_site_info", {}, parsing.site_info)

    def categories(self) -> tuple[Category, ...]:
        """All categories that the account may see."""
        return self._read("core_course_get_categories", {}, parsing.categories)

    def course_by_id(self, course_id: int) -> Course | None:
        """The course, None if there is none or the account may not see it. About 20 ms."""
        found = self._lookup("id", course_id, lambda course: course.id == course_id)
        return found[0] if found else None

    def courses_by_ids(self, course_ids: Iterable[int]) -> tuple[Course, ...]:
        """Those of these courses that there are and that the account may see, in one question."""
        wanted = frozenset(course_ids)
        if not wanted:
            return ()
        return self._lookup("ids", ",".join(map(str, sorted(wanted))), lambda course: course.id in wanted)

    def courses_by_shortname(self, shortname: str) -> tuple[Course, ...]:
        """The courses that Moodle finds by this short name: none, one, possibly several. About 20 ms.

        The site's database decides which names are equal: MariaDB compares without case and takes all emoji for
        equal (``gen-s`` finds ``GEN-S``), PostgreSQL compares exactly. An answer with a name that looks different is
        asked for a second time, because it may have been meant for another request.
        """
        found = self._lookup("shortname", shortname)
        if all(_looks_equal(shortname, course.shortname) for course in found):
            return found
        again = self._lookup("shortname", shortname)
        if [course.id for course in again] != [course.id for course in found]:
            raise NoTrustworthyAnswer("two different answers to the same question", function=BY_FIELD)
        return again

    def search_courses(self, text: str, page: int = 0, perpage: int = 20) -> tuple[Course, ...]:
        """Courses whose names or summary hold ``text``, without their visibility, dates and id number."""
        parameters: dict[str, Parameter] = {
            "criterianame": "search",
            "criteriavalue": text,
            "page": page,
            "perpage": perpage,
        }
        return self._read("core_course_search_courses", parameters, parsing.found_courses)

    def count_courses(self, text: str, capabilities: Sequence[str] = ()) -> int:
        """In how many of the courses that a search finds the account has all these capabilities."""
        parameters: dict[str, Parameter] = {
            "criterianame": "search",
            "criteriavalue": text,
            "perpage": 1,
            "requiredcapabilities": list(capabilities),
        }
        return self._read("core_course_search_courses", parameters, parsing.number_found)

    def contents(self, course_id: int) -> Contents:
        """The sections and activities of a course: 0.3 s and 200 kB for 307 activities."""
        parameters: dict[str, Parameter] = {
            "courseid": course_id,
            "options": [WireOption(name="excludecontents", value=1)],  # 310 kB without it
        }
        return self._read("core_course_get_contents", parameters, parsing.contents)

    def users_by_field(self, field: str, value: str) -> tuple[User, ...]:
        """The people whose ``field`` ("username", "email", "id", "idnumber") is ``value``."""

        def parse(answer: object, where: parsing.Place) -> tuple[User, ...]:
            users = parsing.users(answer, where)
            for user in users:
                # An e-mail address may be hidden from the account, and is then not in the answer.
                told = str(getattr(user, field)) if field in ("id", "username", "email") else ""
                if told and not _looks_equal(value, told):
                    raise parsing.Unexpected("a person who was not asked for")
            return users

        return self._read("core_user_get_users_by_field", {"field": field, "values": [value]}, parse)

    def users_courses(self, user_id: int) -> tuple[Course, ...]:
        """The courses that a person is enrolled in."""
        return self._read("core_enrol_get_users_courses", {"userid": user_id}, parsing.courses)

    def async_duplicate_status(self, duplicate_id: str) -> AsyncStatus:
        """How far a duplication is that ``async_duplicate_course`` began. Not in a stock Moodle."""
        function = "core_course_async_duplicate_course_get_status"
        return self._read(function, {"duplicateid": duplicate_id}, parsing.async_status)

    def async_duplicate_statuses(self, duplicate_ids: Iterable[str]) -> dict[str, AsyncStatus]:
        """The status of many duplications, by id, in one request. An id that the site does not know is left out.

        Another dupdash and the plugin of this project offer this function.
        """
        wanted = list(duplicate_ids)
        if not wanted:
            return {}
        function = "core_course_async_duplicate_course_get_statuses"
        return self._read(function, {"duplicateids": wanted}, parsing.async_statuses)

    def async_duplicate_result(self, duplicate_id: str) -> AsyncResult:
        """How a duplication ended that ``async_duplicate_course`` began.

        Another dupdash and the plugin of this project offer this function.
        """
        function = "core_course_async_duplicate_course_get_result"
        return self._read(function, {"duplicateid": duplicate_id}, parsing.async_result)

    # --- what changes something -------------------------------------------------------------------------

    def duplicate_course(
        self,
        *,
        source_id: int,
        fullname: str,
        shortname: str,
        category_id: int,
        visible: bool,
        options: Mapping[str, int],
    ) -> Duplicated:
        """Have Moodle duplicate a course; comes back when all is done, which takes from a second to an hour.

        Sent once and never again: sending twice makes two courses. After a
        :class:`~dupdash.moodle.errors.MayHaveStarted` only a lookup shows whether it made a course. Raises
        :class:`~dupdash.moodle.options.UnsupportedOptions`, before anything is sent, for options that a stock
        Moodle does not support.
        """
        parameters: dict[str, Parameter] = {
            "courseid": source_id,
            "fullname": fullname,
            "shortname": shortname,
            "categoryid": category_id,
            "visible": int(visible),
            "options": to_wire(options, SYNCHRONOUS),
        }
        function = "core_course_duplicate_course"
        return self._understood(
            function,
            self._transport.send_once(function, parameters, self._duplicating, duplicating=True),
            lambda answer, where: parsing.duplicated(answer, where, source_id=source_id, shortname=shortname),
        )

    def async_duplicate_course(
        self,
        *,
        source_id: int,
        fullname: str,
        shortname: str,
        category_id: int,
        options: Mapping[str, int],
    ) -> str:
        """Have Moodle begin a duplication, and give back its unique id. Not in a stock Moodle.

        The proposed service has five parameters, visibility is none of them. Sent once and never again, like
        ``duplicate_course``.
        """
        parameters: dict[str, Parameter] = {
            "id": source_id,
            "fullname": fullname,
            "shortname": shortname,
            "categoryid": category_id,
            "options": to_wire(options, ASYNCHRONOUS),
        }
        function = "core_course_async_duplicate_course"
        return self._understood(
            function,
            self._transport.send_once(function, parameters, self._reading, duplicating=True),
            parsing.duplicate_id,
        )

    def delete_course(self, course_id: int) -> bool:
        """Delete a course, with everything in it; False if it was already gone. Sent once.

        Raises Refused if the account may not delete it, and UnknownRefusal if Moodle stopped on the way.
        """
        function = "core_course_delete_courses"
        warnings = self._understood(
            function,
            self._transport.send_once(function, {"courseids": [course_id]}, self._deleting),
            parsing.deletion_warnings,
        )
        for code, words in warnings:
            if code == "unknowncourseidnumber":
                return False
            # Moodle checks this permission before it deletes anything; every other warning comes from the
            # deletion.
            kind = Refused if code == "cannotdeletecourse" else UnknownRefusal
            raise kind(words, errorcode=code, function=function)
        return True

    def _lookup(
        self, field: str, value: str | int, was_asked_for: Callable[[Course], bool] = lambda course: True
    ) -> tuple[Course, ...]:
        def parse(answer: object, where: parsing.Place) -> tuple[Course, ...]:
            courses = parsing.looked_up_courses(answer, where)
            if not all(was_asked_for(course) for course in courses):
                raise parsing.Unexpected("a course that was not asked for")
            return courses

        return self._read(BY_FIELD, {"field": field, "value": value}, parse)

    def _read(
        self, function: str, parameters: Mapping[str, Parameter], parse: Callable[[object, parsing.Place], T]
    ) -> T:
        return self._understood(
            function,
            self._transport.read(function, {**parameters, **RAW_NAMES}, self._reading, retries=self._read_retries),
            parse,
        )

    def _understood(self, function: str, answer: object, parse: Callable[[object, parsing.Place], T]) -> T:
        where = parsing.Place()
        try:
            record = parse(answer, where)
        except parsing.Unexpected as unexpected:
            detail = str(unexpected)
        else:
            for left_out in where.left_out:
                self._note(f"{function}: {left_out}")
            return record
        del answer  # it may hold secrets (site info has a private access key), and frames are shown in error reports
        raise NoTrustworthyAnswer(detail, function=function)


def _looks_equal(asked: str, found: str) -> bool:
    """Whether two names differ in nothing but case, accents and surrounding blanks."""

    def folded(text: str) -> str:
        letters = unicodedata.normalize("NFKD", text.strip().casefold())
        return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()

    return folded(asked) == folded(found)
