"""Finds the jobs that need attention from a person."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import LEFT_LIKELY_COURSE, LEFT_PARTIAL_COURSE, JobQuerySet
from dupdash.duplication.states import State

# A failed job that nobody retried needs attention for this long. Partial courses and unresolved jobs need attention
# until somebody acts. Failures that are marked as resolved need none.
FAILED_FOR = timedelta(days=7)


def kinds_of_attention(jobs: JobQuerySet, user: User) -> list[JobQuerySet]:
    """Return the jobs that need attention, by reason, each job once; approvals only for people who may approve.

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


def needing_attention(jobs: JobQuerySet, user: User) -> JobQuerySet:
    """Return the jobs that need attention as one query.

    The query is a union, because one condition with OR would read all jobs.
    """
    first, *others = (kind.order_by().values("pk") for kind in kinds_of_attention(jobs, user))
    return jobs.filter(pk__in=first.union(*others))
