"""Finds the jobs that need attention, because somebody has to do something about them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import JobQuerySet, Proof
from dupdash.duplication.states import State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A failed job that nobody retried needs attention for this long; a partial course and an unresolved job until somebody
# acts. A failure that somebody marked as resolved needs none.
FAILED_FOR = timedelta(days=7)

LEFT_PARTIAL_COURSE = Q(state=State.FAILED, course_id__isnull=False, course_deleted_at__isnull=True) & ~Q(
    proof=Proof.NONE
)
# A course that a failed job probably left; no course is proven to come from it.
LEFT_LIKELY_COURSE = Q(
    state=State.FAILED, course_id__isnull=True, likely_course_id__isnull=False, course_deleted_at__isnull=True
)


def kinds_of_attention(jobs: JobQuerySet, user: "User") -> list[JobQuerySet]:
    """The jobs that need attention, by reason, each job once; approvals only for people who may approve.

    An index finds and sorts each kind, latest first.
    """
    open_jobs = jobs.filter(resolved_at__isnull=True)
    failed = open_jobs.filter(is_retried=False, state=State.FAILED, finished_at__gte=timezone.now() - FAILED_FOR)
    kinds = [
        failed.exclude(LEFT_PARTIAL_COURSE).exclude(LEFT_LIKELY_COURSE).order_by("-finished_at"),
        open_jobs.filter(LEFT_PARTIAL_COURSE).order_by("-course_id"),
        open_jobs.filter(LEFT_LIKELY_COURSE).order_by("-likely_course_id"),
        jobs.filter(state=State.UNRESOLVED).order_by("-created_at"),
    ]
    if access.is_administrator(user):
        kinds.append(jobs.filter(state=State.AWAITING_APPROVAL).order_by("-created_at"))
    return kinds


def needing_attention(jobs: JobQuerySet, user: "User") -> JobQuerySet:
    """The same as one query: a union, because one condition with OR would read all jobs."""
    first, *others = (kind.order_by().values("pk") for kind in kinds_of_attention(jobs, user))
    return jobs.filter(pk__in=first.union(*others))
