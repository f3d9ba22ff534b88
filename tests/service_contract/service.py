"""Helpers that call the tested server: start duplications, wait for their end, and clean up."""

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.contract.tested_server import Server

START = "core_course_async_duplicate_course"
STATUS = f"{START}_get_status"
STATUSES = f"{START}_get_statuses"
RESULT = f"{START}_get_result"
CANCEL = f"{START}_cancel"

AWAITING, EXECUTING, FINISHED_ERR, FINISHED_OK = 700, 800, 900, 1000
UNKNOWN_ID = "0" * 32
# The seconds that one copy may take, and the seconds between two reads of its status.
LONGEST = 300.0
INTERVAL = 0.1


@dataclass
class Service:
    server: Server
    source: int
    category: int
    # Another account, which may not see the duplications of the first account.
    other: Server | None = None
    # A function that keeps new duplications waiting, if the server can do this.
    paused: Callable[[], AbstractContextManager[Any]] = nullcontext
    deletes_courses: bool = False
    _started: list[str] = field(default_factory=list)

    def call(self, function: str, **parameters: Any) -> Any:
        return self.server.call(function, **parameters)

    def start(self, shortname: str | None = "", **changes: Any) -> Any:
        """Call the start function and return its answer. By default the short name is new. ``None`` omits one."""
        if shortname == "":
            shortname = new_shortname()
        parameters = {
            "id": self.source,
            "fullname": f"Service contract {shortname}",
            "shortname": shortname,
            "categoryid": self.category,
        } | changes
        answer = self.call(START, **{name: value for name, value in parameters.items() if value is not None})
        if "duplicateid" in answer:
            self._started.append(answer["duplicateid"])
        return answer

    def start_one(self, shortname: str = "", **changes: Any) -> str:
        """Start a duplication, and return its id."""
        answer = self.start(shortname, **changes)
        assert "duplicateid" in answer, answer
        return str(answer["duplicateid"])

    def follow(self, duplicateid: str) -> list[dict[str, Any]]:
        """Yield each status of a duplication until its end."""
        statuses: list[dict[str, Any]] = []
        deadline = time.monotonic() + LONGEST
        while not statuses or statuses[-1]["status"] < FINISHED_ERR:
            assert time.monotonic() < deadline, f"{duplicateid} did not end in {LONGEST:g} s: {statuses[-1]}"
            if statuses:
                time.sleep(INTERVAL)
            statuses.append(self.call(STATUS, duplicateid=duplicateid))
        return statuses

    def result(self, duplicateid: str) -> dict[str, Any]:
        result = self.call(RESULT, duplicateid=duplicateid)
        assert isinstance(result, dict), result
        return result

    def remove_copies(self) -> None:
        """Cancel running duplications and delete their courses."""
        courses = set()
        for duplicateid in dict.fromkeys(self._started):
            self.call(CANCEL, duplicateid=duplicateid)
            self.follow(duplicateid)
            result = self.result(duplicateid)
            courses |= {result["courseid"], result["partialcourseid"]} - {None}
        self._started.clear()
        if courses and self.deletes_courses:
            self.server.delete_courses(courses)


def new_shortname() -> str:
    return f"service-contract-{secrets.token_hex(6)}"
