"""Helpers to call the sandbox with different accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from dupdash.sandbox.records import Course
from dupdash.sandbox.server import Sandbox
from tests.contract.tested_server import ENDPOINT, flat

DUPLICATE = "core_course_duplicate_course"
BY_FIELD = "core_course_get_courses_by_field"
SITE_INFO = "core_webservice_get_site_info"
SOURCE = "BIO101-2026S1"

# The timeout is long, so that a busy machine does not make a test fail.
PATIENCE = 20.0

_pool = ThreadPoolExecutor(16, thread_name_prefix="test")


def await_until(condition: Callable[[], object], what: str = "the condition") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.002)


@dataclass(frozen=True)
class Caller:
    sandbox: Sandbox
    token: str = ""

    @property
    def source(self) -> Course:
        return self.sandbox.course(SOURCE)

    def using(self, token: str) -> Caller:
        return Caller(self.sandbox, token)

    def post(self, function: str, params: dict[str, Any], restformat: str = "json") -> requests.Response:
        fields = {
            "wstoken": self.token or self.sandbox.token,
            "wsfunction": function,
            "moodlewsrestformat": restformat,
        }
        return requests.post(self.sandbox.url + ENDPOINT, {**fields, **flat(params)}, timeout=PATIENCE)

    def call(self, function: str, **params: Any) -> Any:
        response = self.post(function, params)
        assert response.status_code == 200
        return response.json()

    def copy_params(self, shortname: str, /, **changes: Any) -> dict[str, Any]:
        source = self.source
        return {
            "courseid": source.id,
            "fullname": f"Copy {shortname}",
            "shortname": shortname,
            "categoryid": source.categoryid,
            **changes,
        }

    def duplicate(self, shortname: str, /, **changes: Any) -> Any:
        return self.call(DUPLICATE, **self.copy_params(shortname, **changes))

    def ask_to_duplicate(self, shortname: str, /, **changes: Any) -> requests.Response:
        """Request a copy, and return the answer, even if it is an error."""
        return self.post(DUPLICATE, self.copy_params(shortname, **changes))

    def duplicate_meanwhile(self, shortname: str, /, **changes: Any) -> Future[Any]:
        return _pool.submit(self.duplicate, shortname, **changes)

    def course(self, courseid: int) -> dict[str, Any]:
        courses: list[dict[str, Any]] = self.call(BY_FIELD, field="id", value=courseid)["courses"]
        (course,) = courses
        return course

    def by_shortname(self, shortname: str) -> list[dict[str, Any]]:
        courses: list[dict[str, Any]] = self.call(BY_FIELD, field="shortname", value=shortname)["courses"]
        return courses

    def made(self) -> list[Course]:
        """Return every course that was added after the start of the sandbox, including partial courses."""
        return [course for course in self.sandbox.state.courses() if course.origin != "seed"]

    def control(self, **wishes: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.sandbox.url}/sandbox/control", json=wishes, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


START = "core_course_async_duplicate_course"
STATUS = f"{START}_get_status"
NEW = "NEW-1"


def start_params(moodle: Caller, **changes: Any) -> dict[str, Any]:
    """Return the parameters of the proposed start call, for a copy with the short name NEW."""
    params = moodle.copy_params(NEW, **changes)
    params["id"] = params.pop("courseid")
    return params


def start(moodle: Caller, **changes: Any) -> str:
    """Start a duplication with the proposed functions. Returns its id."""
    answer = moodle.call(START, **start_params(moodle, **changes))
    assert list(answer) == ["duplicateid"], answer
    return str(answer["duplicateid"])


def status(moodle: Caller, duplicateid: str) -> tuple[int, int, float]:
    """Return the phase, the status and the progress of a duplication."""
    answer = moodle.call(STATUS, duplicateid=duplicateid)
    assert list(answer) == ["phase", "status", "progress"]
    return answer["phase"], answer["status"], answer["progress"]
