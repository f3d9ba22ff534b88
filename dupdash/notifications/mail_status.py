"""Finds the mail problems that administrators see: emails that were given up, and an unreachable mail server."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from dupdash.notifications.models import NEVER_TRIED, Channel, Delivery, Digest, Notification, OutboxPosition

# Problems are shown for this long.
SHOWN_FOR = timedelta(days=7)


@dataclass(frozen=True)
class MailProblems:
    given_up: int
    # Of these, the emails that were never tried: the mail server or the workers were down.
    never_tried: int
    # Since when the mail server is unreachable.
    failing_since: datetime | None
    error: str

    def __bool__(self) -> bool:
        return bool(self.given_up or self.failing_since)


def mail_problems() -> MailProblems:
    """Return the emails given up within SHOWN_FOR, and the outage of the mail server. Makes three short queries."""
    lately = {"delivery": Delivery.GIVEN_UP, "created_at__gte": timezone.now() - SHOWN_FOR}
    numbers = {"all": Count("pk"), "never": Count("pk", filter=Q(last_error=NEVER_TRIED))}
    mails = Notification.objects.filter(**lately, channel=Channel.MAIL).aggregate(**numbers)
    summaries = Digest.objects.filter(**lately).aggregate(**numbers)
    position = OutboxPosition.objects.filter(id=1).first() or OutboxPosition()
    return MailProblems(
        mails["all"] + summaries["all"], mails["never"] + summaries["never"], position.failing_since, position.error
    )
