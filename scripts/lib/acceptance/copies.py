"""Defines the records of an acceptance run: requested copies, their jobs and their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

SUCCEEDED = "succeeded"
CHECKING = "checking"
RUNNING = "running"
UNRESOLVED = "unresolved"
# The states in which a job does not change again during a run.
ENDED = frozenset({SUCCEEDED, "failed", "cancelled", "rejected", UNRESOLVED})


class Entrance(StrEnum):
    FORM = "form"
    COMMAND = "command"
    WEB_SERVICE = "web service"


class RefusedIf(StrEnum):
    """The reasons for which dupdash must refuse a request before anything is sent to Moodle."""

    NEVER = ""
    # Moodle finds a course with this short name. Its database also finds similar names.
    NAME_FOUND = "Moodle finds a course under its short name"
    STOCK_SITE = "a Moodle without the proposed web services cannot do it"


@dataclass(frozen=True)
class CopyRequest:
    """A copy that the run requests."""

    scenario: str
    entrance: Entrance
    source: int
    fullname: str
    shortname: str
    visible: bool = True
    # The options that differ from the defaults.
    options: Mapping[str, bool] = field(default_factory=dict)
    # The start date of the copy; None to keep all dates of the source.
    startdate: date | None = None
    refused_if: RefusedIf = RefusedIf.NEVER

    def wants(self, option: str, default: bool) -> bool:
        return self.options.get(option, default)

    @property
    def stored_shortname(self) -> str:
        """Return the short name as Moodle stores it, without blanks around it."""
        return self.shortname.strip()

    @property
    def stored_fullname(self) -> str:
        return self.fullname.strip()


class Refused(Exception):
    """dupdash refused a request. The message is the reason."""


@dataclass(frozen=True)
class Event:
    at: datetime
    kind: str
    from_state: str
    to_state: str
    reason: str


@dataclass(frozen=True)
class Job:
    """A job, as read from the database of dupdash."""

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
        """Return the seconds from the last start of the job to its end, without the time in the queue."""
        return sum(self._seconds_in(RUNNING)[-1:]) + self.checking_seconds

    def _seconds_in(self, state: str) -> list[float]:
        """Return the seconds that the job spent in this state, one number for each time it entered the state."""
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
