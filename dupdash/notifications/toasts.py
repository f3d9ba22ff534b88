"""Writes toasts, the short messages on pages: about a person's own copies, and about requests to approve."""

from collections import Counter
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.states import State
from dupdash.notifications.models import Channel, Delivery, Notification
from dupdash.notifications.safe_text import one_line
from dupdash.notifications.topics import Topic

# The maximum number of notifications in one message. The next poll shows the rest.
BATCH_SIZE = 200

LEVELS = {
    Topic.SUCCEEDED: "success",
    Topic.FAILED: "danger",
    Topic.REFUSED: "warning",
    Topic.UNRESOLVED: "warning",
}
SEVERITY = ("danger", "warning", "info", "success")
SENTENCES = {
    Topic.APPROVAL: "“{name}” waits for your approval.",
    Topic.APPROVED: "Your copy “{name}” was approved.",
    Topic.REFUSED: "Your copy “{name}” was refused.",
    Topic.SUCCEEDED: "Your copy “{name}” is complete.",
    Topic.FAILED: "Your copy “{name}” failed.",
    Topic.UNRESOLVED: "dupdash could not determine whether your copy “{name}” was made.",
    Topic.CANCELLED: "Your copy “{name}” was cancelled.",
}


@dataclass(frozen=True)
class Toast:
    level: str
    text: str
    url: str


def toast_for(user: User) -> Toast | None:
    """Return one toast for the unread notifications of a person, at most BATCH_SIZE; None if none still applies.

    The notifications then count as read. If there are none, this takes one query. If two pages poll at the same moment,
    only one of them shows each notification.
    """
    waiting = Notification.objects.filter(recipient=user, channel=Channel.PAGE, delivery=Delivery.WAITING)
    rows = list(waiting.select_related("event__job").order_by("pk")[:BATCH_SIZE])
    if not rows:
        return None
    unread = Notification.objects.filter(pk__in=[row.pk for row in rows], delivery=Delivery.WAITING)
    now = timezone.now()
    taken = unread.update(delivery=Delivery.SENT, sent_at=now)
    if taken < len(rows):
        # Another page took some of them at the same moment and shows those; this page shows the rest.
        ours = set(
            waiting.model.objects.filter(pk__in=[row.pk for row in rows], sent_at=now).values_list("pk", flat=True)
        )
        rows = [row for row in rows if row.pk in ours]
    # The latest notification of each job counts: "complete" replaces "approved".
    latest = {row.event.job_id: row for row in rows if access.may_see(user, row.event.job) and _still_applies(row)}
    return _message(list(latest.values())) if latest else None


def _still_applies(row: Notification) -> bool:
    """Return False if the request to approve was decided, or the unresolved job was settled, in the meantime."""
    state = row.event.job.state
    match row.topic:
        case Topic.APPROVAL:
            return state == State.AWAITING_APPROVAL
        case Topic.UNRESOLVED:
            return state == State.UNRESOLVED
    return True


def _message(rows: list[Notification]) -> Toast:
    level = min((_level(row) for row in rows), key=SEVERITY.index)
    if len(rows) == 1:
        job = rows[0].event.job
        sentence = SENTENCES[Topic(rows[0].topic)].format(name=isolate(one_line(in_one_language(job.fullname), 80)))
        if _differs(rows[0]):
            sentence += " It differs from its source."
        return Toast(level, sentence, reverse("jobs:job", args=[job.pk]))
    counts = Counter(Topic(row.topic) for row in rows)
    approvals = counts.pop(Topic.APPROVAL, 0)
    parts = [f"{count} {topic.label.lower()}" for topic, count in counts.items()]
    own = f"Your copies: {', '.join(parts)}." if parts else ""
    waits = f"{approvals} {'copies wait' if approvals > 1 else 'copy waits'} for your approval." if approvals else ""
    return Toast(level, f"{own} {waits}".strip(), reverse("overview"))


def _level(row: Notification) -> str:
    return "warning" if _differs(row) else LEVELS.get(Topic(row.topic), "info")


def _differs(row: Notification) -> bool:
    job: DuplicationJob = row.event.job
    return row.topic == Topic.SUCCEEDED and job.differs
