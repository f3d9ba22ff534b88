"""Collects the information that an administrator needs to approve or refuse a request."""

from dataclasses import dataclass
from datetime import datetime

from dupdash.duplication.driver_choice import driver_of_job
from dupdash.duplication.expectation import Expectation, expect, rough_expectation
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.request import taken_in_moodle
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.options import user_data
from dupdash.web.course_size import Size, size_of
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import OptionSummary, summarize
from dupdash.web.presentation.requested_settings import settings_in_words
from dupdash.web.presentation.shown_state import shown_state

# This many other copies of the source are listed, the latest first. Further copies are only counted.
COPIES_MOST = 3
# The states of jobs that count as copies. Refused and cancelled jobs made no course.
COUNTED = frozenset(State) - {State.REJECTED, State.CANCELLED}


@dataclass(frozen=True)
class OtherCopy:
    """Another copy of the same source."""

    id: str
    fullname: str
    shortname: str
    state: str
    requester: str
    created_at: datetime


@dataclass(frozen=True)
class MoodleCheck:
    """The result of checking the source and the short name in Moodle. ``trouble``: why the check was not possible."""

    size: Size | None = None
    expected: Expectation | None = None
    # Why the short name is not available; empty if it is free.
    taken: str = ""
    gone: bool = False
    trouble: str = ""


@dataclass(frozen=True)
class Waiting:
    job: DuplicationJob
    requester: str
    options: OptionSummary
    # The labels of the options that include people's data.
    people: tuple[str, ...]
    # The requested dates and ID number of the copy.
    course_settings: tuple[str, ...]
    source_url: str
    copies: tuple[OtherCopy, ...]
    more_copies: int
    moodle_check: MoodleCheck | None = None


def waiting(job: DuplicationJob, health: MoodleHealth, moodle_check: MoodleCheck | None = None) -> Waiting:
    others = DuplicationJob.objects.filter(source_id=job.source_id, state__in=COUNTED).exclude(pk=job.pk)
    latest = list(others.select_related("requester").order_by("-created_at", "-id")[: COPIES_MOST + 1])
    return Waiting(
        job=job,
        requester=requester_of(job),
        options=summarize(job.options, driver_of_job(job, health)),
        people=people_data(job),
        course_settings=settings_in_words(job, driver_of_job(job, health)),
        source_url=course_url(job.source_id, health),
        copies=tuple(_other(copy) for copy in latest[:COPIES_MOST]),
        more_copies=others.count() - COPIES_MOST if len(latest) > COPIES_MOST else 0,
        moodle_check=moodle_check,
    )


def people_data(job: DuplicationJob) -> tuple[str, ...]:
    """Return the labels of the options by which the copy would include people's data."""
    return tuple(option.label for option in user_data(job.options))


def check_in_moodle(job: DuplicationJob, client: MoodleClient) -> MoodleCheck:
    """Check in Moodle whether the source still exists and the short name is free, and estimate the duration."""
    try:
        if client.course_by_id(job.source_id) is None:
            return MoodleCheck(gone=True)
        size = size_of(job.source_id, client)
        problem = taken_in_moodle(job.shortname, client)
    except MoodleError as error:
        return MoodleCheck(trouble=str(error))
    activities = size.activities if size else None
    expected = expect(job.source_id, activities, job.options) or rough_expectation(activities)
    return MoodleCheck(size, expected, problem.text(in_full=True) if problem else "")


def _other(job: DuplicationJob) -> OtherCopy:
    return OtherCopy(job.pk, job.fullname, job.shortname, shown_state(job), requester_of(job), job.created_at)
