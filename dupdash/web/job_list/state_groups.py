"""Defines the groups of jobs that the filter "State" offers beside the single states."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from dupdash.duplication.models import LEFT_LIKELY_COURSE, LEFT_PARTIAL_COURSE
from dupdash.duplication.states import BUSY, UNFINISHED, State
from dupdash.web.job_list.attention import reasons_for_attention

UNFINISHED_ONLY, BUSY_ONLY, UNDER_WAY, STOPPED, PARTIAL_LEFT = "unfinished", "busy", "under_way", "stopped", "partial"
OPEN_FAILURES, DIFFERS = "open", "differs"
# What needs attention depends on the person.
ATTENTION = "attention"
# With these filters jobs are listed even if a later attempt exists, because their partial courses still exist.
WITH_EARLIER_ATTEMPTS = frozenset({ATTENTION, PARTIAL_LEFT})


@dataclass(frozen=True)
class Group:
    label: str
    # The states of its jobs; None: any.
    states: frozenset[str] | None
    # Each job of the group meets exactly one of these conditions. They are queried separately, so that each can use an
    # index.
    alternatives: tuple[Q, ...] = (Q(),)


def _group(label: str, states: frozenset[str], **where: Any) -> Group:
    return Group(label, states, (Q(state__in=states, **where),))


_FAILED = frozenset({State.FAILED})
GROUPS = {
    UNFINISHED_ONLY: _group("Unfinished", UNFINISHED),
    BUSY_ONLY: _group("Running or checking", BUSY),
    UNDER_WAY: _group("Waiting, running or checking", UNFINISHED - {State.UNRESOLVED}),
    STOPPED: _group("Cancelled or refused", frozenset({State.CANCELLED, State.REJECTED})),
    PARTIAL_LEFT: Group("Failed, partial course left", _FAILED, (LEFT_PARTIAL_COURSE, LEFT_LIKELY_COURSE)),
    OPEN_FAILURES: _group("Open failures", _FAILED, is_retried=False, resolved_at__isnull=True),
    DIFFERS: _group("Succeeded, differs from its source", frozenset({State.SUCCEEDED}), differs=True),
}


def group_of(chosen: str, user: User) -> Group:
    """Return the group for a value of the filter "State"; for "", the group of all jobs.

    For a single state, the group has no condition, because ``ListForm`` adds one.
    """
    if chosen == ATTENTION:
        reasons = reasons_for_attention(user)
        states = frozenset(reason.state for reason in reasons)
        return Group("Needs attention", states, tuple(reason.where for reason in reasons))
    if chosen in GROUPS:
        return GROUPS[chosen]
    return Group(State(chosen).label, frozenset({chosen})) if chosen else Group("Any", None)
