"""A job as a row of a list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from dupdash.duplication.display_names import COMMAND_LINE, name_of
from dupdash.duplication.engine.verification import differs, why_not_verified
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.web.presentation.durations import exactly
from dupdash.web.presentation.progress_bars import Bar, overall_bar
from dupdash.web.presentation.queue_status import Queue, why_it_waits
from dupdash.web.presentation.status import shown_state

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class Row:
    id: str
    url: str
    fullname: str
    shortname: str
    source_shortname: str
    state: str
    # Shown while Moodle works; else the note says what there is to say.
    bar: Bar | None
    note: str
    # A note that asks for somebody.
    urgent: bool
    requester: str
    created_at: datetime
    finished: bool
    # How long a finished job took, in words.
    took: str
    # Of a job that is scheduled for later.
    starts_at: datetime | None = None


def rows(jobs: Iterable[DuplicationJob], health: MoodleHealth) -> tuple[Row, ...]:
    """The jobs must come with their requesters: one query for all of them."""
    jobs = list(jobs)
    queue = Queue.before(jobs, health)
    return tuple(_row(job, queue) for job in jobs)


def _row(job: DuplicationJob, queue: Queue) -> Row:
    moving = job.state in (State.RUNNING, State.CHECKING)
    note, urgent = _note(job, queue)
    return Row(
        id=job.pk,
        url=reverse("jobs:job", args=[job.pk]),
        fullname=job.fullname,
        shortname=job.shortname,
        source_shortname=job.source_shortname,
        state=shown_state(job),
        bar=overall_bar(job) if moving else None,
        note=note,
        urgent=urgent,
        requester=requester_of(job),
        created_at=job.created_at,
        finished=job.is_terminal,
        took=exactly(took) if job.finished_at and (took := job.elapsed()) is not None else "",
        starts_at=job.not_before if job.is_scheduled else None,
    )


def requester_of(job: DuplicationJob) -> str:
    requester: User | None = job.requester
    return name_of(requester, COMMAND_LINE)


def _note(job: DuplicationJob, queue: Queue) -> tuple[str, bool]:
    if job.left_partial_course:
        return "A partial course was left in Moodle.", True
    if job.state == State.UNRESOLVED:
        return "Check in Moodle whether the copy was made.", True
    if job.cancel_requested_at is not None and not job.is_terminal:
        return "Cancelled. The copy is removed when Moodle has finished it.", False
    if job.state == State.SUCCEEDED and why_not_verified(job.verification):
        return "The copy could not be compared with its source.", True
    if job.state == State.SUCCEEDED and differs(job.verification):
        return "The copy differs from its source.", True
    if job.state == State.FAILED:
        return explain(job.failure_code).happened, False
    return why_it_waits(job, queue), False
