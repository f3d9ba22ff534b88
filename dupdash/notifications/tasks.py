"""The part of the housekeeping that sends notifications. A run that is late, lost or doubled does no harm."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.queue import database_lock
from dupdash.notifications import daily_digest, outbox, sender
from dupdash.notifications.models import Delivery, Digest, Notification, OutboxPosition

logger = logging.getLogger("dupdash.mail")

# Sent notifications are kept for this long, so that support can see whether an email was sent.
KEPT_FOR = timedelta(days=30)


def send_due() -> None:
    """Create notifications and digests, and send due emails. One worker at a time does this, others return at once."""
    with database_lock.try_lock(database_lock.MAIL) as acquired:
        if acquired:
            outbox.collect()
            daily_digest.start_due_digests()
            sender.deliver()
            _delete_old()


def _delete_old() -> None:
    """Delete notifications and digests that are older than KEPT_FOR, except those that still wait to be sent.

    Does this once a day, however often it is called.
    """
    today = timezone.now().date()
    if not OutboxPosition.objects.filter(Q(cleaned_on__isnull=True) | Q(cleaned_on__lt=today)).update(cleaned_on=today):
        return
    old = {"created_at__lt": timezone.now() - KEPT_FOR}
    Notification.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
    Digest.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
