"""What administrators should know of the mail: what was given up, and whether the mail server can be reached."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from dupdash.notifications.models import NEVER_TRIED, Channel, Delivery, Digest, Notification, OutboxPosition

# After so long somebody has seen it, or nobody will.
SHOWN_FOR = timedelta(days=7)


@dataclass(frozen=True)
class MailProblems:
    given_up: int
    # Of these: nobody's address is to blame.
    never_tried: int
    # Since then the mail server could not be reached.
    failing_since: datetime | None
    error: str

    def __bool__(self) -> bool:
        return bool(self.given_up or self.failing_since)


def mail_problems() -> MailProblems:
    """For the administrators' overview; three cheap queries."""
    lately = {"delivery": Delivery.GIVEN_UP, "created_at__gte": timezone.now() - SHOWN_FOR}
    numbers = {"all": Count("pk"), "never": Count("pk", filter=Q(last_error=NEVER_TRIED))}
    mails = Notification.objects.filter(**lately, channel=Channel.MAIL).aggregate(**numbers)
    summaries = Digest.objects.filter(**lately).aggregate(**numbers)
    position = OutboxPosition.objects.filter(id=1).first() or OutboxPosition()
    return MailProblems(
        mails["all"] + summaries["all"], mails["never"] + summaries["never"], position.failing_since, position.error
    )
