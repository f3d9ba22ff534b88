"""What is told in the page: that a copy of one's own has ended, or that something waits for one's approval."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.engine.verification import differs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.notifications.models import Channel, Delivery, Notification
from dupdash.notifications.safe_text import one_line
from dupdash.notifications.topics import Topic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# More than anybody reads; the rest is told with the next question.
AT_ONCE = 200

LEVELS = {
    Topic.SUCCEEDED: "success",
    Topic.FAILED: "danger",
    Topic.REFUSED: "warning",
    Topic.UNRESOLVED: "warning",
}
GRAVITY = ("danger", "warning", "info", "success")
SENTENCES = {
    Topic.APPROVAL: "“{name}” waits for your approval.",
    Topic.APPROVED: "Your copy “{name}” was approved.",
    Topic.REFUSED: "Your copy “{name}” was refused.",
    Topic.SUCCEEDED: "Your copy “{name}” is complete.",
    Topic.FAILED: "Your copy “{name}” failed.",
    Topic.UNRESOLVED: "Whether your copy “{name}” was made could not be found out.",
    Topic.CANCELLED: "Your copy “{name}” was cancelled.",
}
# Of several: how each kind is counted.
COUNTED = {
    Topic.SUCCEEDED: "complete",
    Topic.FAILED: "failed",
    Topic.UNRESOLVED: "unresolved",
    Topic.REFUSED: "refused",
    Topic.CANCELLED: "cancelled",
    Topic.APPROVED: "approved",
}


@dataclass(frozen=True)
class Toast:
    level: str
    text: str
    url: str


def toast_for(user: "User") -> Toast | None:
    """What this person has not been told yet, in one message; it is taken to be told after that.

    One query where there is nothing, two where there is something. Of two pages that ask at the same moment one is
    answered.
    """
    waiting = Notification.objects.filter(recipient=user, channel=Channel.PAGE, delivery=Delivery.WAITING)
    rows = list(waiting.select_related("event__job").order_by("pk")[:AT_ONCE])
    if not rows:
        return None
    told = Notification.objects.filter(pk__in=[row.pk for row in rows], delivery=Delivery.WAITING)
    now = timezone.now()
    taken = told.update(delivery=Delivery.SENT, sent_at=now)
    if taken < len(rows):
        # Another page took some of them: its answer tells those, this one the rest.
        ours = set(
            waiting.model.objects.filter(pk__in=[row.pk for row in rows], sent_at=now).values_list("pk", flat=True)
        )
        rows = [row for row in rows if row.pk in ours]
    # By the last word on each job: approved and complete since the last question is complete.
    latest = {row.event.job_id: row for row in rows if _is_still_theirs(row, user) and _is_still_so(row)}
    return _in_words(list(latest.values())) if latest else None


def _is_still_theirs(row: Notification, user: "User") -> bool:
    """A role may have been taken away since it was written down; whose own copy it is needs no query."""
    return access.may_see(user, row.event.job)


def _is_still_so(row: Notification) -> bool:
    """Somebody else may have decided meanwhile, and an unresolved job may have been settled."""
    state = row.event.job.state
    match row.topic:
        case Topic.APPROVAL:
            return state == State.AWAITING_APPROVAL
        case Topic.UNRESOLVED:
            return state == State.UNRESOLVED
    return True


def _in_words(rows: list[Notification]) -> Toast:
    level = min((_level(row) for row in rows), key=GRAVITY.index)
    if len(rows) == 1:
        job = rows[0].event.job
        sentence = SENTENCES[Topic(rows[0].topic)].format(name=one_line(job.fullname, 80))
        if _differs(rows[0]):
            sentence += " It differs from its source."
        return Toast(level, sentence, reverse("jobs:job", args=[job.pk]))
    counts = Counter(Topic(row.topic) for row in rows)
    approvals = counts.pop(Topic.APPROVAL, 0)
    parts = [f"{count} {COUNTED[topic]}" for topic, count in counts.items()]
    own = f"News of {counts.total()} of your copies: {', '.join(parts)}." if parts else ""
    waits = f"{approvals} {'copies wait' if approvals > 1 else 'copy waits'} for your approval." if approvals else ""
    return Toast(level, f"{own} {waits}".strip(), reverse("overview"))


def _level(row: Notification) -> str:
    return "warning" if _differs(row) else LEVELS.get(Topic(row.topic), "info")


def _differs(row: Notification) -> bool:
    job: DuplicationJob = row.event.job
    return row.topic == Topic.SUCCEEDED and differs(job.verification)
