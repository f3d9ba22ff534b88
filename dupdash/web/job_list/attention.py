"""Which jobs need attention: somebody has to do something about them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet, Proof
from dupdash.duplication.states import State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A failed job that nobody retried needs attention for so long; a partial course and an unresolved job until somebody
# acts.
FAILED_FOR = timedelta(days=7)

LEFT_PARTIAL_COURSE = Q(state=State.FAILED, course_id__isnull=False, course_deleted_at__isnull=True) & ~Q(
    proof=Proof.NONE
)
# A course that is likely what a failed job left; no course is proven to be.
LEFT_LIKELY_COURSE = Q(
    state=State.FAILED, course_id__isnull=True, likely_course_id__isnull=False, course_deleted_at__isnull=True
)


def kinds_of_attention(jobs: JobQuerySet, user: "User") -> list[JobQuerySet]:
    """Those of ``jobs`` that need attention, by the reason, none twice; approvals only for those who may give them.

    Each kind is found by an index of its own and sorted by it, latest first.
    """
    # No join with the retries: it would list a job once for each of them.
    retried = Exists(DuplicationJob.objects.filter(retry_of=OuterRef("pk")))
    failed = jobs.filter(~retried, state=State.FAILED, finished_at__gte=timezone.now() - FAILED_FOR)
    kinds = [
        failed.exclude(LEFT_PARTIAL_COURSE).exclude(LEFT_LIKELY_COURSE).order_by("-finished_at"),
        jobs.filter(LEFT_PARTIAL_COURSE).order_by("-course_id"),
        jobs.filter(LEFT_LIKELY_COURSE).order_by("-likely_course_id"),
        jobs.filter(state=State.UNRESOLVED).order_by("-created_at"),
    ]
    if access.is_administrator(user):
        kinds.append(jobs.filter(state=State.AWAITING_APPROVAL).order_by("-created_at"))
    return kinds


def needing_attention(jobs: JobQuerySet, user: "User") -> JobQuerySet:
    """The same as one query; a union, because one condition with OR would read all jobs."""
    first, *others = (kind.order_by().values("pk") for kind in kinds_of_attention(jobs, user))
    return jobs.filter(pk__in=first.union(*others))
