"""Derives the topics of notifications from job events. The code that changes a job sends no notifications."""

from django.db.models import F, Q, TextChoices

from dupdash.duplication.models import JobEvent
from dupdash.duplication.states import State


class Topic(TextChoices):
    REQUESTED = "requested", "Requested"
    APPROVAL = "approval", "Needs approval"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"
    SUCCEEDED = "succeeded", "Complete"
    FAILED = "failed", "Failed"
    UNRESOLVED = "unresolved", "Unresolved"
    CANCELLED = "cancelled", "Cancelled"


class When(TextChoices):
    NOW = "now", "Immediately"
    DAILY = "daily", "In the daily summary"
    NEVER = "never", "Never"


# The topics that can be chosen for a person's own copies, and for copies of others.
OWN: tuple[Topic, ...] = (
    Topic.REQUESTED,
    Topic.APPROVED,
    Topic.REFUSED,
    Topic.SUCCEEDED,
    Topic.FAILED,
    Topic.UNRESOLVED,
    Topic.CANCELLED,
)
OTHERS: tuple[Topic, ...] = (Topic.APPROVAL, Topic.SUCCEEDED, Topic.FAILED, Topic.UNRESOLVED, Topic.CANCELLED)

_BY_STATE = {
    State.SUCCEEDED: Topic.SUCCEEDED,
    State.FAILED: Topic.FAILED,
    State.UNRESOLVED: Topic.UNRESOLVED,
    State.CANCELLED: Topic.CANCELLED,
    State.REJECTED: Topic.REFUSED,
}

# The events for which ``topics_of`` gives a topic, as a query.
NOTIFIABLE = (
    Q(from_state="")
    | Q(from_state=State.AWAITING_APPROVAL, to_state=State.QUEUED)
    | (Q(to_state__in=sorted(_BY_STATE)) & ~Q(from_state=F("to_state")))
)


def topics_of(event: JobEvent) -> tuple[Topic, ...]:
    """Return the topics of an event; () if it is not notified.

    A request that needs approval has two topics: "requested" for its requester, "approval" for administrators.
    """
    if not event.from_state:
        return (Topic.REQUESTED, Topic.APPROVAL) if event.to_state == State.AWAITING_APPROVAL else (Topic.REQUESTED,)
    if event.from_state == event.to_state:
        return ()
    if event.from_state == State.AWAITING_APPROVAL and event.to_state == State.QUEUED:
        return (Topic.APPROVED,)
    topic = _BY_STATE.get(State(event.to_state))
    return (topic,) if topic else ()
