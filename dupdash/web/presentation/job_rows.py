"""Presents jobs as the rows of a list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse

from dupdash.duplication.engine.verification import why_not_verified
from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.name_display import isolate
from dupdash.duplication.person_names import COMMAND_LINE, name_of
from dupdash.duplication.states import State
from dupdash.web.presentation.attempts import attempt_numbers
from dupdash.web.presentation.durations import exactly
from dupdash.web.presentation.progress_bars import Bar, overall_bar
from dupdash.web.presentation.shown_state import shown_state
from dupdash.web.presentation.why_it_waits import Queue, why_it_waits


@dataclass(frozen=True)
class Row:
    id: str
    url: str
    fullname: str
    shortname: str
    source_shortname: str
    state: str
    # Shown while Moodle works on the copy.
    bar: Bar | None
    note: str
    # Whether the note asks a person to act.
    urgent: bool
    requester: str
    created_at: datetime
    finished: bool
    # How long a finished job took, as text.
    took: str
    # When a scheduled job starts.
    starts_at: datetime | None = None
    # Which attempt at the copy this is.
    attempt: int = 1
    # The person who follows up the failure, with their note.
    follow_up: str = ""


def rows(jobs: Iterable[DuplicationJob], health: MoodleHealth) -> tuple[Row, ...]:
    """Return the rows of these jobs. The caller should load requesters and assignees with ``jobs``, to save queries."""
    jobs = list(jobs)
    queue = Queue.before(jobs, health)
    numbers = attempt_numbers(jobs)
    return tuple(_row(job, queue, numbers.get(job.pk, 1)) for job in jobs)


def _row(job: DuplicationJob, queue: Queue, attempt: int) -> Row:
    note, urgent = _note(job, queue)
    return Row(
        id=job.pk,
        url=reverse("jobs:job", args=[job.pk]),
        fullname=job.fullname,
        shortname=job.shortname,
        source_shortname=job.source_shortname,
        state=shown_state(job),
        bar=overall_bar(job) if job.state == State.RUNNING and job.cancel_requested_at is None else None,
        note=note,
        urgent=urgent,
        requester=requester_of(job),
        created_at=job.created_at,
        finished=job.is_terminal,
        took=exactly(took) if job.finished_at and (took := job.elapsed()) is not None else "",
        starts_at=job.not_before if job.is_scheduled else None,
        attempt=attempt,
        follow_up=_follow_up(job),
    )


def requester_of(job: DuplicationJob) -> str:
    requester: User | None = job.requester
    return name_of(requester, COMMAND_LINE)


def _note(job: DuplicationJob, queue: Queue) -> tuple[str, bool]:
    if job.state == State.FAILED:
        return _why_it_failed(job)
    if job.state == State.UNRESOLVED:
        return "Check in Moodle whether the copy was made.", True
    if job.cancel_requested_at is not None and not job.is_terminal:
        return "dupdash deletes the copy when Moodle has finished it.", False
    if job.state == State.CHECKING:
        return "Checking in Moodle whether the copy was made.", False
    if job.state == State.SUCCEEDED and why_not_verified(job.verification):
        return "The copy could not be compared with its source.", True
    if job.state == State.SUCCEEDED and job.differs:
        return "The copy differs from its source.", True
    return why_it_waits(job, queue), False


def _why_it_failed(job: DuplicationJob) -> tuple[str, bool]:
    happened = explain_failure(job).happened
    if job.left_partial_course:
        return f"{happened} A partial course was left in Moodle.", job.resolved_at is None
    if job.may_have_left_course:
        return f"{happened} This copy probably left a partial course in Moodle.", job.resolved_at is None
    return happened, False


def _follow_up(job: DuplicationJob) -> str:
    """Return "Resolved", or the responsible person with the note: "Hal Moreau: asked the teacher"."""
    if job.resolved_at is not None:
        return "Resolved"
    if job.assignee_id is None:
        return ""
    name = isolate(name_of(job.assignee))
    return f"{name}: {isolate(job.assignee_note)}" if job.assignee_note else name
