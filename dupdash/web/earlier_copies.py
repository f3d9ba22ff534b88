"""Finds earlier copies of a source into the term for which a new copy is requested."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth.models import User
from django.urls import reverse

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.person_names import COMMAND_LINE, name_of
from dupdash.duplication.request import DuplicationRequest
from dupdash.duplication.states import UNFINISHED, State
from dupdash.web.academic_terms import same_term

# How many copies of a source are compared, the newest first, and how many of those found are listed.
COMPARED_MOST = 200
LISTED_MOST = 3


@dataclass(frozen=True)
class Target:
    """The category, names, visibility and dates of a new copy, as far as the form is filled in."""

    category_id: int | None
    shortname: str = ""
    fullname: str = ""
    visible: bool = True
    startdate: date | None = None
    enddate: date | None = None
    # dupdash filled in the category, and replaces it if another source is chosen.
    category_is_suggested: bool = False


@dataclass(frozen=True)
class EarlierCopy:
    """A copy that exists or will exist. If the reader may not see its job, ``url``, names and requester are empty."""

    requested_at: datetime
    state: str
    url: str = ""
    fullname: str = ""
    shortname: str = ""
    requester: str = ""


@dataclass(frozen=True)
class EarlierCopies:
    copies: tuple[EarlierCopy, ...] = ()
    more: int = 0


def earlier_copies(source_id: int, target: Target, user: User) -> EarlierCopies:
    """Return the newest copies of this source in the category of ``target`` or with a name for the same term.

    Returns at most LISTED_MOST, and the number of the others. Only the newest COMPARED_MOST copies are compared.
    """
    jobs = existing_copies([source_id]).select_related("requester")[:COMPARED_MOST]
    found = [job for job in jobs if is_to_same_term(job, target)]
    return EarlierCopies(
        tuple(_earlier_copy(job, user) for job in found[:LISTED_MOST]), max(0, len(found) - LISTED_MOST)
    )


def existing_copies(source_ids: Iterable[int]) -> JobQuerySet:
    """Return the copies of these sources that exist or will exist, the newest first.

    Failed, cancelled and refused jobs and deleted copies do not count.
    """
    jobs = DuplicationJob.objects.filter(source_id__in=source_ids, course_deleted_at__isnull=True)
    return jobs.filter(state__in=UNFINISHED | {State.SUCCEEDED}).order_by("-created_at", "-id")


def is_to_same_term(job: DuplicationJob, wanted: Target | DuplicationRequest) -> bool:
    """Return whether a copy is in the category of the wanted copy, or has a name for the same term."""
    return job.category_id == wanted.category_id or same_term(
        job.shortname, job.fullname, wanted.shortname, wanted.fullname
    )


def _earlier_copy(job: DuplicationJob, user: User) -> EarlierCopy:
    if not access.may_see(user, job):
        return EarlierCopy(job.created_at, job.state)
    return EarlierCopy(
        job.created_at,
        job.state,
        reverse("jobs:job", args=[job.pk]),
        job.fullname,
        job.shortname,
        name_of(job.requester, COMMAND_LINE),
    )
