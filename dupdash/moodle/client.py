"""Calls the web services of a Moodle site, with a method for each function that dupdash uses.

If Moodle does not give what a method asks for, the method raises a :class:`~dupdash.moodle.errors.MoodleError`, and no
other error. The token is sent only in the body of POST requests; it is in no URL, log line, ``repr`` or exception.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from dupdash.moodle import parsing
from dupdash.moodle.driver_abilities import ASYNCHRONOUS, PLUGIN, SYNCHRONOUS
from dupdash.moodle.errors import NoTrustworthyAnswer, Refused, UnknownRefusal
from dupdash.moodle.name_comparison import looks_equal
from dupdash.moodle.options import WireOption, to_wire
from dupdash.moodle.records import (
    AsyncResult,
    AsyncStatus,
    AsyncStatuses,
    Category,
    Contents,
    Course,
    Duplicated,
    Participant,
    SiteInfo,
    User,
)
from dupdash.moodle.transport import Timeouts, Transport
from dupdash.moodle.unstorable_characters import storable_json
from dupdash.moodle.wire_format import Parameter

logger = logging.getLogger("dupdash.moodle")

T = TypeVar("T")
# Takes the decoded answer, and a list to which it adds a description of each item that it leaves out.
Parser = Callable[[object, list[str]], T]

DELETION_LONGEST = 300.0
"""Seconds to wait for Moodle to delete a course. A large course takes longer than any read."""
RAW_NAMES: Mapping[str, Parameter] = {"moodlewssettingraw": 1}
"""Have Moodle send names as it stores them: with all their languages, and without HTML escaping."""
BY_FIELD = "core_course_get_courses_by_field"


@dataclass(frozen=True)
class StartDetails:
    """The parameters of the plugin's start call that the proposed functions do not have.

    ``startdate`` and ``enddate`` are Unix timestamps. If one is None, the site decides: it keeps or moves the source's
    date. A repeated call with the same ``idempotency_key`` and the same parameters never makes a second copy.
    """

    visible: bool
    idempotency_key: str
    startdate: int | None = None
    enddate: int | None = None
    idnumber: str = ""


class MoodleClient:
    """Calls the web services of one Moodle site with one token.

    ``read_timeout`` and ``duplication_timeout`` are the seconds for a whole answer. If a read or its answer is lost,
    the read is repeated up to two times, but not after a timeout. So a read takes at most about
    ``read_timeout + 3 * connect_timeout``, unless the site keeps closing connections late. ``on_call``: called after
    each request with the function, "ok" or the name of the error's class, and the seconds that the request took.
    ``request_id``: sent as ``X-Request-ID``. Only one thread at a time can read; another one can duplicate meanwhile.

    Raises ValueError, which says what to do, if the URL or the token cannot be right.
    """

    def __init__(
        self,
        site_url: str,
        token: str,
        *,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        duplication_timeout: float = 3600 * 2,
        on_call: Callable[[str, str, float], None] = lambda function, outcome, seconds: None,
        request_id: str = "",
    ) -> None:
        # Descriptions of what was left out of answers, the latest last. ``check_moodle`` shows them.
        self.left_out: deque[str] = deque(maxlen=100)
        self._transport = Transport(site_url, token, note=self._note, on_call=on_call, request_id=request_id)
        self._read_timeouts = Timeouts(connect_timeout, read_timeout)
        self._duplication_timeouts = Timeouts(connect_timeout, duplication_timeout)
        self._deletion_timeouts = Timeouts(connect_timeout, min(DELETION_LONGEST, duplication_timeout))

    @property
    def site_url(self) -> str:
        """The URL of the site, without a slash at the end."""
        return self._transport.site_url

    def __repr__(self) -> str:
        return f"<MoodleClient of {self.site_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client opens new ones if it is used again."""
        self._transport.close()

    def _note(self, left_out: str) -> None:
        logger.warning("Left out of an answer of Moodle: %s", left_out)
        self.left_out.append(left_out)

    # --- reads ------------------------------------------------------------------------------------------

    def site_info(self) -> SiteInfo:
        """Return the site, and the functions that the token may call."""
        return self._read("core_webservice_get_site_info", {}, parsing.site_info)

    def categories(self) -> tuple[Category, ...]:
        """Return all categories that the account may see."""
        return self._read("core_course_get_categories", {}, parsing.categories)

    def course_by_id(self, course_id: int) -> Course | None:
        """Return the course; None if it does not exist or the account may not see it. Takes about 20 ms."""
        found = self._look_up("id", course_id, lambda course: course.id == course_id)
        return found[0] if found else None

    def courses_by_ids(self, course_ids: Iterable[int]) -> tuple[Course, ...]:
        """Return the courses with these ids, in one request, as far as they exist and the account may see them."""
        wanted = frozenset(course_ids)
        if not wanted:
            return ()
        return self._look_up("ids", ",".join(map(str, sorted(wanted))), lambda course: course.id in wanted)

    def courses_by_idnumber(self, idnumber: str) -> tuple[Course, ...]:
        """Return the courses that Moodle finds by this ID number: none, or one. MariaDB and MySQL ignore case."""
        return self._look_up(
            "idnumber", idnumber, lambda course: course.idnumber is None or looks_equal(idnumber, course.idnumber)
        )

    def courses_by_shortname(self, shortname: str) -> tuple[Course, ...]:
        """Return the courses that Moodle finds by this short name: none, one, or possibly several. Takes about 20 ms.

        The site's database decides which names are equal: MariaDB ignores case and treats all emoji as equal
        (``gen-s`` finds ``GEN-S``), PostgreSQL compares exactly. If an answer has a name that looks different, the
        client asks again, because the answer may belong to another request. Raises NoTrustworthyAnswer if the second
        answer names other courses.
        """
        found = self._look_up("shortname", shortname)
        if all(looks_equal(shortname, course.shortname) for course in found):
            return found
        again = self._look_up("shortname", shortname)
        if [course.id for course in again] != [course.id for course in found]:
            raise NoTrustworthyAnswer("two different answers to the same request", function=BY_FIELD)
        return again

    def courses_in_category(self, category_id: int) -> tuple[Course, ...]:
        """Return the courses directly in a category. Takes 7.5 ms and 4.7 kB for each course (measured)."""
        return self._look_up("category", category_id)

    def search_courses(self, text: str, perpage: int = 20) -> tuple[Course, ...]:
        """Return the courses whose names or summary contain ``text``, at most ``perpage`` of them.

        Their visibility, dates and ID number are missing.
        """
        parameters: dict[str, Parameter] = {
            "criterianame": "search",
            "criteriavalue": text,
            "page": 0,
            "perpage": perpage,
        }
        return self._read("core_course_search_courses", parameters, parsing.found_courses)

    def count_courses(self, text: str, capabilities: Sequence[str] = ()) -> int:
        """Return how many courses a search for ``text`` finds in which the account has all these capabilities."""
        parameters: dict[str, Parameter] = {
            "criterianame": "search",
            "criteriavalue": text,
            "perpage": 1,
            "requiredcapabilities": list(capabilities),
        }
        return self._read("core_course_search_courses", parameters, parsing.number_found)

    def contents(self, course_id: int) -> Contents:
        """Return the sections and activities of a course. Takes 0.3 s and 200 kB for 307 activities (measured)."""
        parameters: dict[str, Parameter] = {
            "courseid": course_id,
            "options": [WireOption(name="excludecontents", value=1)],  # 310 kB without it
        }
        return self._read("core_course_get_contents", parameters, parsing.contents)

    def users_by_field(self, field: str, value: str) -> tuple[User, ...]:
        """Return the people whose ``field`` ("username" or "email") is ``value``."""

        def parse(answer: object, left_out: list[str]) -> tuple[User, ...]:
            users = parsing.users(answer, left_out)
            for user in users:
                # Moodle may hide the email address from the account; it is then missing in the answer.
                shown = getattr(user, field)
                if shown and not looks_equal(value, shown):
                    raise parsing.UnexpectedAnswer("a person who was not asked for")
            return users

        return self._read("core_user_get_users_by_field", {"field": field, "values": [value]}, parse)

    def users_courses(self, user_id: int) -> tuple[Course, ...]:
        """Return the courses in which a person is enrolled."""
        return self._read("core_enrol_get_users_courses", {"userid": user_id}, parsing.courses)

    def participants(self, course_id: int) -> list[Participant]:
        """Return the people who are enrolled in a course."""
        parameters: dict[str, Parameter] = {
            "courseid": course_id,
            # Without this Moodle sends the whole profile of each person.
            "options": [{"name": "userfields", "value": "id,lastcourseaccess"}],
        }
        return self._read("core_enrol_get_enrolled_users", parameters, _strict(list[Participant]))

    def async_duplicate_status(self, duplicate_id: str) -> AsyncStatus:
        """Return the status of a duplication that ``async_duplicate_course`` started.

        A stock Moodle does not have this function.
        """
        function = "core_course_async_duplicate_course_get_status"
        return self._read(function, {"duplicateid": duplicate_id}, _strict(AsyncStatus))

    def async_duplicate_statuses(self, duplicate_ids: Iterable[str]) -> AsyncStatuses:
        """Return the status of many duplications, by id, in one request. Ids that the site does not know are left out.

        Only the Moodle plugin, and a dupdash at ASYNC_URL, have this function.
        """
        wanted = list(duplicate_ids)
        if not wanted:
            return AsyncStatuses({})
        function = "core_course_async_duplicate_course_get_statuses"
        return self._read(function, {"duplicateids": wanted}, lambda answer, _: parsing.async_statuses(answer))

    def async_duplicate_result(self, duplicate_id: str) -> AsyncResult:
        """Return the result of a duplication that ``async_duplicate_course`` started.

        Only the Moodle plugin, and a dupdash at ASYNC_URL, have this function.
        """
        function = "core_course_async_duplicate_course_get_result"
        return self._read(function, {"duplicateid": duplicate_id}, parsing.async_result)

    # --- writes -----------------------------------------------------------------------------------------

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
        """Have Moodle duplicate a course. Returns when the copy is finished, which takes between a second and an hour.

        The request is sent once: sending it twice would make two courses. After a
        :class:`~dupdash.moodle.errors.MayHaveStarted` only a lookup can tell whether Moodle made a course. Raises
        :class:`~dupdash.moodle.options.UnsupportedOptions` before it sends anything if a stock Moodle does not
        support the options.
        """
        parameters: dict[str, Parameter] = {
            "courseid": source_id,
            "fullname": fullname,
            "shortname": shortname,
            "categoryid": category_id,
            "visible": int(visible),
            "options": to_wire(options, SYNCHRONOUS),
        }
        return self._send_once(
            "core_course_duplicate_course",
            parameters,
            lambda answer: parsing.duplicated(answer, source_id=source_id, shortname=shortname),
            self._duplication_timeouts,
            duplicating=True,
        )

    def async_duplicate_course(
        self,
        *,
        source_id: int,
        fullname: str,
        shortname: str,
        category_id: int,
        options: Mapping[str, int],
        details: StartDetails | None = None,
    ) -> str:
        """Have Moodle start a duplication, and return its unique id. A stock Moodle does not have this function.

        ``details``: only for a site with the companion functions. The request is sent once, because sending it twice
        would make two courses. Only a call with ``details`` can be repeated safely.
        """
        parameters: dict[str, Parameter] = {
            "id": source_id,
            "fullname": fullname,
            "shortname": shortname,
            "categoryid": category_id,
            "options": to_wire(options, PLUGIN if details else ASYNCHRONOUS),
            **(_details_to_wire(details) if details else {}),
        }
        function = "core_course_async_duplicate_course"
        return self._send_once(function, parameters, parsing.duplicate_id, self._read_timeouts, duplicating=True)

    def async_cancel(self, duplicate_id: str) -> str:
        """Have the site cancel a duplication, and return the duplication's state. Repeating the call changes nothing.

        Only the Moodle plugin, and a dupdash at ASYNC_URL, have this function.
        """
        function = "core_course_async_duplicate_course_cancel"
        return self._send_once(function, {"duplicateid": duplicate_id}, parsing.cancelled_state, self._read_timeouts)

    def update_course(self, course_id: int, changes: Mapping[str, int | str]) -> None:
        """Change settings of a course. Repeating the call is harmless.

        ``changes``: the new values, keyed by the names that the settings have in Moodle ("startdate", "idnumber").
        Raises Refused if the account may not do it or Moodle does not accept a value.
        """
        function = "core_course_update_courses"
        changed = {"courses": [{"id": course_id, **changes}]}
        for warning in self._send_once(function, changed, parsing.course_warnings, self._read_timeouts):
            raise Refused(warning.message, errorcode=warning.warningcode, function=function)

    def delete_course(self, course_id: int) -> bool:
        """Delete a course with all its contents. Returns False if it no longer existed. The request is sent once.

        Raises Refused if the account may not delete it, and UnknownRefusal if Moodle stopped while it was deleting.
        """
        function = "core_course_delete_courses"
        deleted = {"courseids": [course_id]}
        for warning in self._send_once(function, deleted, parsing.course_warnings, self._deletion_timeouts):
            if warning.warningcode == "unknowncourseidnumber":
                return False
            # Moodle checks this permission before it deletes anything. Every other warning comes from the deletion.
            kind = Refused if warning.warningcode == "cannotdeletecourse" else UnknownRefusal
            raise kind(warning.message, errorcode=warning.warningcode, function=function)
        return True

    def _look_up(
        self, field: str, value: str | int, was_asked_for: Callable[[Course], bool] = lambda course: True
    ) -> tuple[Course, ...]:
        def parse(answer: object, left_out: list[str]) -> tuple[Course, ...]:
            courses = parsing.looked_up_courses(answer)
            if not all(was_asked_for(course) for course in courses):
                raise parsing.UnexpectedAnswer("a course that was not asked for")
            return courses

        return self._read(BY_FIELD, {"field": field, "value": value}, parse)

    def _read(self, function: str, parameters: Mapping[str, Parameter], parse: Parser[T]) -> T:
        return self._parsed(
            function, self._transport.read(function, {**parameters, **RAW_NAMES}, self._read_timeouts), parse
        )

    def _send_once(
        self,
        function: str,
        parameters: Mapping[str, Parameter],
        parse: Callable[[object], T],
        timeouts: Timeouts,
        *,
        duplicating: bool = False,
    ) -> T:
        return self._parsed(
            function,
            self._transport.send_once(function, parameters, timeouts, duplicating=duplicating),
            lambda answer, _: parse(answer),
        )

    def _parsed(self, function: str, answer: object, parse: Parser[T]) -> T:
        left_out: list[str] = []
        try:
            record = parse(storable_json(answer), left_out)
        except parsing.UnexpectedAnswer as unexpected:
            detail = str(unexpected)
        except RecursionError:
            detail = "JSON that is nested too deeply"
        else:
            for description in left_out:
                self._note(f"{function}: {description}")
            return record
        # The answer may hold secrets (site info has a private access key), and error reports show local variables.
        del answer
        raise NoTrustworthyAnswer(detail, function=function)


def _details_to_wire(details: StartDetails) -> dict[str, Parameter]:
    """Return the parameters for these details.

    Dates that the site chooses are left out, because it would refuse empty ones.
    """
    dates: dict[str, Parameter] = {
        name: moment
        for name, moment in (("startdate", details.startdate), ("enddate", details.enddate))
        if moment is not None
    }
    return {
        "visible": int(details.visible),
        **dates,
        "idnumber": details.idnumber,
        "idempotencykey": details.idempotency_key,
    }


def _strict(record: type[T]) -> Parser[T]:
    return lambda answer, _: parsing.read(answer, record)
