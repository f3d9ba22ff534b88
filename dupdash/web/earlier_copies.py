"""Finds earlier copies of a source into the term for which a new copy is requested."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.person_names import COMMAND_LINE, name_of
from dupdash.duplication.states import UNFINISHED, State
from dupdash.web.terms import same_term

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# How many copies of a source are compared, the newest first, and how many of those found are listed.
COMPARED = 200
LISTED = 3


@dataclass(frozen=True)
class Target:
    """The category and the names of a new copy, as far as the form is filled in."""

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


def earlier_copies(source_id: int, target: Target, user: "User") -> EarlierCopies:
    """Return earlier copies of this source to the same term: into the same category, or with a name for this term.

    Failed, cancelled and refused jobs and deleted copies do not count.
    """
    jobs = (
        DuplicationJob.objects.filter(source_id=source_id, course_deleted_at__isnull=True)
        .filter(state__in=UNFINISHED | {State.SUCCEEDED})
        .select_related("requester")
        .order_by("-created_at", "-id")[:COMPARED]
    )
    found = [job for job in jobs if _same_term(job, target)]
    return EarlierCopies(tuple(_earlier_copy(job, user) for job in found[:LISTED]), max(0, len(found) - LISTED))


def _same_term(job: DuplicationJob, target: Target) -> bool:
    if job.category_id == target.category_id:
        return True
    return same_term(job.shortname, job.fullname, target.shortname, target.fullname)


def _earlier_copy(job: DuplicationJob, user: "User") -> EarlierCopy:
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
