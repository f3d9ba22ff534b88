"""The possible outcomes of one attempt to have Moodle duplicate a course, which a driver returns to the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from dupdash.moodle.errors import MoodleError, MoodleWords


@dataclass(frozen=True)
class Answered:
    """Moodle's answer names the copy; a lookup is still to confirm it. The job holds no slot any more."""

    course_id: int


@dataclass(frozen=True)
class Finished:
    """The copy was seen to be complete, without an answer."""

    course_id: int


@dataclass(frozen=True)
class NothingStarted:
    """A passing fault, and proof that Moodle did not begin: the job may be sent again later."""

    error: MoodleError


@dataclass(frozen=True)
class CancelledBeforeSending:
    """Somebody cancelled the job in time: nothing was sent."""


@dataclass(frozen=True)
class SourceIsBusy:
    """Another copy of the same source was sent and its course not seen yet."""


@dataclass(frozen=True)
class SiteUnavailable:
    """Nothing started, and no job can start: the site is down, or its configuration must be fixed first."""

    error: MoodleError


@dataclass(frozen=True)
class Refused:
    """Moodle refuses this request for good; nothing started."""

    code: str
    message: str
    words: MoodleWords | None = None


@dataclass(frozen=True)
class AnswerLost:
    """The request may have reached Moodle, and no trustworthy answer came: the sweep checks in Moodle what happened."""

    detail: str
    # Moodle's error code where it did answer with one that may come from the middle of a restore.
    errorcode: str = ""
    words: MoodleWords | None = None


@dataclass(frozen=True)
class FailedInMoodle:
    """The site ended the copy with a failure, says why, and what it left: an incomplete course, or nothing."""

    code: str
    message: str
    partial_course_id: int | None = None


@dataclass(frozen=True)
class CancelledInMoodle:
    """The site stopped the copy and removed what it had made."""


@dataclass(frozen=True)
class LeaseLost:
    """The lease expired, and the job was taken back."""

    # Where the request is still under way: waits for its answer, and returns its outcome.
    late_outcome: "Callable[[], Outcome] | None" = None


@dataclass(frozen=True)
class RunsInMoodle:
    """The site works on its own and is asked by the sweep; this worker is free."""


Outcome = (
    Answered
    | Finished
    | NothingStarted
    | CancelledBeforeSending
    | SourceIsBusy
    | SiteUnavailable
    | Refused
    | AnswerLost
    | FailedInMoodle
    | CancelledInMoodle
    | LeaseLost
    | RunsInMoodle
)
