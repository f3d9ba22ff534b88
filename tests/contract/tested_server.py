"""Calls the tested server, a Moodle site or dupdash, with plain HTTP and without dupdash's client."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from dupdash.sandbox.server import Sandbox

ENDPOINT = "/webservice/rest/server.php"
SITE_INFO = "core_webservice_get_site_info"
COURSES_BY_FIELD = "core_course_get_courses_by_field"
DELETE_COURSES = "core_course_delete_courses"
NO_SUCH_ID = 987_654_321
NO_SUCH_TOKEN = "0" * 32

# Copying may take long on a real site.
TIMEOUT = (10, 900)


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    label: str
    # A fast function without required parameters, which every site has.
    function: str = SITE_INFO
    sandbox: Sandbox | None = None

    @property
    def endpoint(self) -> str:
        return self.url.rstrip("/") + ENDPOINT

    def post(self, function: str, params: dict[str, Any] | None = None, **envelope: str) -> requests.Response:
        """Send a request. The answer is XML unless JSON is requested."""
        fields = {"wstoken": self.token, "wsfunction": function, **envelope, **(params or {})}
        return requests.post(self.endpoint, fields, timeout=TIMEOUT)

    def call(self, function: str, **params: Any) -> Any:
        """Call a function and return the parsed JSON. Moodle answers errors with HTTP 200, too."""
        response = self.post(function, flat(params), moodlewsrestformat="json")
        assert response.status_code == 200
        assert response.headers["Content-Type"].split(";")[0] == "application/json"
        return response.json()

    def courses(self, field: str, value: Any) -> list[dict[str, Any]]:
        answer = self.call(COURSES_BY_FIELD, field=field, value=value)
        courses: list[dict[str, Any]] = answer["courses"]
        return courses

    def delete_courses(self, courseids: Collection[int]) -> None:
        """Delete courses and check that they are gone. The answer is not used, because plugins may add output to it."""
        self.post(DELETE_COURSES, flat({"courseids": sorted(courseids)}), moodlewsrestformat="json")
        assert [course for courseid in courseids for course in self.courses("id", courseid)] == []


def flat(params: dict[str, Any]) -> dict[str, Any]:
    """Flatten parameters: ``options=[{"name": "users", "value": 1}]`` becomes ``options[0][name]=users`` and so on."""
    fields: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            fields |= {
                name + "".join(_bracketed(inner)): leaf
                for inner, leaf in flat({str(key): item for key, item in value.items()}).items()
            }
        else:
            fields[name] = value
    return fields


def _bracketed(name: str) -> tuple[str, str]:
    first, bracket, rest = name.partition("[")
    return f"[{first}]", bracket + rest


def error_of(answer: Any) -> str:
    """Return the error code of an answer, and assert that it is an error with exception, errorcode and message."""
    assert isinstance(answer, dict), f"no error: {answer!r:.200}"
    for key in ("exception", "errorcode", "message"):
        assert isinstance(answer.get(key), str), f"no error: {answer!r:.200}"
        assert answer[key]
    return str(answer["errorcode"])


@dataclass
class Site:
    """The Moodle in which the tests make copies: its source, its category, and the courses to delete at the end."""

    server: Server
    source: int
    category: int
    _shortnames: list[str] = field(default_factory=list)
    _ids: list[int] = field(default_factory=list)

    def call(self, function: str, **params: Any) -> Any:
        return self.server.call(function, **params)

    def needs(self, *functions: str) -> None:
        offered = {function["name"] for function in self.call(SITE_INFO)["functions"]}
        lacking = sorted(set(functions) - offered)
        if lacking:
            pytest.skip(f"the service lacks {', '.join(lacking)}")

    def a_shortname(self, suffix: str = "") -> str:
        """Return a new short name. A course with this short name is deleted at the end."""
        shortname = f"dupdash-contract-{secrets.token_hex(5)}{suffix}"
        self._shortnames.append(shortname)
        return shortname

    def copy_params(self, shortname: str, /, **changes: Any) -> dict[str, Any]:
        params = {
            "courseid": self.source,
            "fullname": f"dupdash contract {shortname}",
            "shortname": shortname,
            "categoryid": self.category,
        }
        return {key: value for key, value in {**params, **changes}.items() if value is not None}

    def duplicate(self, shortname: str, /, **changes: Any) -> Any:
        self.needs("core_course_duplicate_course", DELETE_COURSES)
        answer = self.call("core_course_duplicate_course", **self.copy_params(shortname, **changes))
        if "id" in answer:
            self._ids.append(answer["id"])
        return answer

    def course(self, courseid: int) -> dict[str, Any]:
        (course,) = self.by_field("id", courseid)
        return course

    def by_field(self, name: str, value: Any) -> list[dict[str, Any]]:
        return self.server.courses(name, value)

    def contents(self, courseid: int) -> list[dict[str, Any]]:
        sections: list[dict[str, Any]] = self.call("core_course_get_contents", courseid=courseid)
        return sections

    def delete(self, courseids: Collection[int]) -> None:
        self.server.delete_courses(courseids)

    def sweep(self) -> None:
        """Delete the courses of the tests, which are found by the answered ids and the used names."""
        left = {courseid for courseid in self._ids if self.by_field("id", courseid)}
        for shortname in self._shortnames:
            left |= {course["id"] for course in self.by_field("shortname", shortname)}
        if left:
            self.delete(left)
        self._ids.clear()
        self._shortnames.clear()

    @contextmanager
    def swept(self) -> Iterator[Site]:
        try:
            yield self
        finally:
            self.sweep()
