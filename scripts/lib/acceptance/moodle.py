"""A small Moodle client for the acceptance run. It reads and deletes courses, and never creates courses."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT = 120.0
ENROLLED = "core_enrol_get_enrolled_users"
DELETE = "core_course_delete_courses"
UPDATE = "core_course_update_courses"
START_COPY = "core_course_async_duplicate_course"


class MoodleFault(Exception):
    """Moodle answered with an error or did not answer."""

    def __init__(self, errorcode: str, message: str) -> None:
        super().__init__(message)
        self.errorcode = errorcode


@dataclass(frozen=True)
class Course:
    """A course as Moodle lists it, with unescaped names."""

    id: int
    shortname: str
    fullname: str
    category: int
    visible: bool
    # Unix timestamps; 0 for no date.
    startdate: int = 0
    enddate: int = 0


@dataclass(frozen=True)
class Section:
    number: int
    name: str
    visible: bool
    # Type, name and visibility of each activity, in the order of the course page.
    activities: tuple[tuple[str, str, bool], ...]
    # Type, name and dates (Unix timestamps) of each activity with a date, in the same order.
    dates: tuple[tuple[str, str, tuple[int, ...]], ...]
    # "mod_subsection" for a section that belongs to an activity. Moodle gives it another number in a copy.
    component: str = ""

    @property
    def place(self) -> str:
        return f"{self.component} {self.name}" if self.component else f"section {self.number}"


class MoodleClient:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token

    def call(self, function: str, **parameters: object) -> Any:
        fields = {
            "wstoken": self._token,
            "wsfunction": function,
            "moodlewsrestformat": "json",
            # This parameter returns names as they are stored: not escaped, and in all their languages.
            "moodlewssettingraw": "1",
            **dict(_flatten("", parameters)),
        }
        body = urllib.parse.urlencode(fields).encode()
        # The client uses no proxies of the environment, because dupdash is started without them, too.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/webservice/rest/server.php", body, TIMEOUT) as answer:
                return _value(function, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            raise MoodleFault(f"http{error.code}", f"{function}: HTTP status {error.code}") from None
        except OSError as error:
            raise MoodleFault("unreachable", f"{function}: {getattr(error, 'reason', error)}") from None

    def functions(self) -> frozenset[str]:
        """Return the names of the functions that this token may call."""
        return frozenset(function["name"] for function in self.call("core_webservice_get_site_info")["functions"])

    def has_category(self, id: int) -> bool:
        wanted = [{"key": "id", "value": id}]
        return bool(self.call("core_course_get_categories", criteria=wanted, addsubcategories=0))

    def course(self, id: int) -> Course | None:
        return next(iter(self._courses("id", id)), None)

    def courses_named(self, shortname: str) -> list[Course]:
        return self._courses("shortname", shortname)

    def courses_in(self, category: int) -> list[Course]:
        """Return all courses of a category. Call this only without running copies, which the listing could break."""
        return self._courses("category", category)

    def _courses(self, field: str, value: object) -> list[Course]:
        answer = self.call("core_course_get_courses_by_field", field=field, value=value)
        return [
            Course(
                one["id"],
                one["shortname"],
                one["fullname"],
                one["categoryid"],
                bool(one["visible"]),
                one.get("startdate", 0),
                one.get("enddate", 0),
            )
            for one in answer["courses"]
        ]

    def contents(self, id: int) -> tuple[Section, ...]:
        options = [{"name": "excludecontents", "value": 1}]
        return tuple(
            Section(
                one["section"],
                one["name"],
                bool(one.get("visible", 1)),
                tuple((each["modname"], each["name"], bool(each.get("visible", 1))) for each in one["modules"]),
                tuple(
                    (each["modname"], each["name"], tuple(dated["timestamp"] for dated in each["dates"]))
                    for each in one["modules"]
                    if each.get("dates")
                ),
                one.get("component") or "",
            )
            for one in self.call("core_course_get_contents", courseid=id, options=options)
        )

    def people(self, id: int) -> dict[int, tuple[str, ...]]:
        """Return the enrolled people, each with the short names of their roles."""
        return {
            one["id"]: tuple(sorted(role["shortname"] for role in one.get("roles", [])))
            for one in self.call(ENROLLED, courseid=id)
        }

    def delete(self, ids: Sequence[int]) -> None:
        """Delete courses. The answers are ignored, because plugins may add text to them; list the courses again."""
        for id in ids:
            try:
                # Each call deletes one course, because Moodle's recycle bin makes a backup first, which takes seconds.
                self.call(DELETE, courseids=[id])
            except MoodleFault as fault:
                if fault.errorcode != "unreadable":
                    raise


def _flatten(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Flatten nested parameters for PHP: ``options[0][name]=…``."""
    if isinstance(value, dict):
        pairs: Iterable[tuple[object, object]] = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        yield name, str(value)
        return
    for key, inner in pairs:
        yield from _flatten(f"{name}[{key}]" if name else str(key), inner)


def _value(function: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        start = re.sub(r"\s+", " ", text)[:80]
        raise MoodleFault("unreadable", f"{function}: the answer is not JSON and begins {start!r}") from None
    if isinstance(value, dict) and ("exception" in value or "errorcode" in value):
        code = str(value.get("errorcode", ""))
        raise MoodleFault(code, f"{function}: {value.get('message') or value.get('error') or ''} ({code})")
    return value
