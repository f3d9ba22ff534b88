"""Defines which jobs need attention from a person."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import LEFT_LIKELY_COURSE, LEFT_PARTIAL_COURSE
from dupdash.duplication.states import State

# A failed job that nobody retried needs attention for this long. Partial courses and unresolved jobs need attention
# until somebody acts. Failures that are marked as resolved need none.
FAILED_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Reason:
    """A reason why jobs in ``state`` need attention.

    ``where`` selects the jobs, and ``order`` is the order in which an index contains them.
    """

    state: State
    where: Q
    order: str


def reasons_for_attention(user: User) -> list[Reason]:
    """Return the reasons. A job matches at most one. Only administrators get the reason "awaiting approval"."""
    is_open = Q(resolved_at__isnull=True)
    is_recent = Q(is_retried=False, state=State.FAILED, finished_at__gte=timezone.now() - FAILED_FOR)
    left_nothing = ~LEFT_PARTIAL_COURSE & ~LEFT_LIKELY_COURSE
    reasons = [
        Reason(State.FAILED, is_open & is_recent & left_nothing, "-finished_at"),
        Reason(State.FAILED, is_open & LEFT_PARTIAL_COURSE, "-course_id"),
        Reason(State.FAILED, is_open & LEFT_LIKELY_COURSE, "-likely_course_id"),
        Reason(State.UNRESOLVED, Q(state=State.UNRESOLVED), "-created_at"),
    ]
    if access.is_administrator(user):
        reasons.append(Reason(State.AWAITING_APPROVAL, Q(state=State.AWAITING_APPROVAL), "-created_at"))
    return reasons
