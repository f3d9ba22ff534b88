"""The outcomes of an attempt to have Moodle duplicate a course. A driver returns one of them to the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from dupdash.moodle.errors import MoodleError, NoTrustworthyAnswer, RawError, UnknownRefusal


@dataclass(frozen=True)
class Answered:
    """Moodle's answer names the copy, but no lookup has confirmed it yet. The job no longer holds a slot."""

    course_id: int


@dataclass(frozen=True)
class Finished:
    """Lookups have confirmed that the copy is complete."""

    course_id: int


@dataclass(frozen=True)
class NothingStarted:
    """Moodle started nothing, because of a fault that is probably temporary. The job is sent again later."""

    error: MoodleError


@dataclass(frozen=True)
class CancelledBeforeSending:
    """Somebody cancelled the job before the request was sent."""


@dataclass(frozen=True)
class SourceIsBusy:
    """Another copy blocks the source, because two backups of one source collide (rule 4)."""


@dataclass(frozen=True)
class SiteUnavailable:
    """Moodle started nothing, and no job can run until the site is up again or somebody has fixed the configuration."""

    error: MoodleError


@dataclass(frozen=True)
class Refused:
    """Moodle started nothing, and will always refuse this request."""

    code: str
    message: str
    raw_error: RawError | None = None


@dataclass(frozen=True)
class AnswerLost:
    """The request may have reached Moodle, and no trustworthy answer arrived. The sweep checks what happened."""

    # What came instead, without a final period.
    detail: str
    # Moodle's error code, if it answered with an error that may come from the middle of a restore.
    errorcode: str = ""
    raw_error: RawError | None = None


def lost(error: MoodleError) -> AnswerLost:
    """Return the outcome of an error that does not prove that Moodle started nothing."""
    if isinstance(error, UnknownRefusal):
        return AnswerLost(error.message.rstrip("."), error.errorcode or "error", error.raw_error)
    return AnswerLost((error.detail if isinstance(error, NoTrustworthyAnswer) else error.message).rstrip("."))


@dataclass(frozen=True)
class FailedInMoodle:
    """The site reports that the copy failed, why it failed, and which partial course it left, if any."""

    code: str
    message: str
    partial_course_id: int | None = None


@dataclass(frozen=True)
class CancelledInMoodle:
    """The site stopped the copy and deleted the new course."""


@dataclass(frozen=True)
class LeaseLost:
    """The worker lost its lease, because another process recovered the job."""

    # If the request still runs: waits for its answer and returns its outcome.
    late_outcome: "Callable[[], Outcome] | None" = None


@dataclass(frozen=True)
class RunsInMoodle:
    """The site makes the copy in the background. The sweep follows it, and the worker is free."""


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
