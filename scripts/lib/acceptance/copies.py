"""The records of a run: requested copies, their jobs and their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

SUCCEEDED = "succeeded"
CHECKING = "checking"
RUNNING = "running"
UNRESOLVED = "unresolved"
# A job in one of these will not change by itself within the time of a run.
ENDED = frozenset({SUCCEEDED, "failed", "cancelled", "rejected", UNRESOLVED})


class Entrance(StrEnum):
    FORM = "form"
    COMMAND = "command"
    WEB_SERVICE = "web service"


class RefusedIf(StrEnum):
    """When dupdash must refuse a request before anything is sent to Moodle."""

    NEVER = ""
    # Moodle finds a course under the short name, equal or not: its database compares.
    NAME_FOUND = "Moodle finds a course under its short name"
    STOCK_SITE = "a Moodle without the proposed web services cannot do it"


@dataclass(frozen=True)
class CopyRequest:
    """A copy to request."""

    scenario: str
    entrance: Entrance
    source: int
    fullname: str
    shortname: str
    visible: bool = True
    # Those that differ from what a request has by default.
    options: Mapping[str, bool] = field(default_factory=dict)
    # Start of the copy; None leaves all dates as they are in the source.
    startdate: date | None = None
    refused_if: RefusedIf = RefusedIf.NEVER

    def wants(self, option: str, default: bool) -> bool:
        return self.options.get(option, default)

    @property
    def stored_shortname(self) -> str:
        """Its short name in Moodle: blanks around a name are no part of it."""
        return self.shortname.strip()

    @property
    def stored_fullname(self) -> str:
        return self.fullname.strip()


class Refused(Exception):
    """dupdash refused a request; the message is its reason."""


@dataclass(frozen=True)
class Event:
    at: datetime
    kind: str
    from_state: str
    to_state: str
    reason: str


@dataclass(frozen=True)
class Job:
    """A job in the database of dupdash."""

    id: str
    shortname: str
    state: str
    sent: bool
    course_id: int | None
    failure: str
    events: tuple[Event, ...]

    @property
    def was_checking(self) -> bool:
        return any(event.to_state == CHECKING for event in self.events)

    @property
    def checking_seconds(self) -> float:
        return sum(self._seconds_in(CHECKING))

    @property
    def seconds(self) -> float:
        """From its last start to its end, the time in the queue left out."""
        return sum(self._seconds_in(RUNNING)[-1:]) + self.checking_seconds

    def _seconds_in(self, state: str) -> list[float]:
        """The length of each stay in a state that has ended."""
        stays, entered = [], None
        for event in self.events:
            if event.to_state == state and entered is None:
                entered = event.at
            elif event.to_state != state and entered is not None:
                stays.append((event.at - entered).total_seconds())
                entered = None
        return stays


@dataclass
class Outcome:
    """The result of a request, and its problems."""

    request: CopyRequest
    job: Job | None = None
    refusal: str = ""
    refusal_expected: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return self.job is not None and self.job.state == SUCCEEDED

    @property
    def refused_as_expected(self) -> bool:
        return self.refusal_expected and bool(self.refusal)
