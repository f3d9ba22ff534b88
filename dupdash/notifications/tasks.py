"""What housekeeping calls, through django-q2: it may come twice, late or never."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.queue import database_lock
from dupdash.notifications import daily_digest, outbox, sender
from dupdash.notifications.models import Delivery, Digest, Notification, OutboxPosition

logger = logging.getLogger("dupdash.mail")

# What was told is kept so long for those who ask whether it was.
KEPT_FOR = timedelta(days=30)


def send_due() -> None:
    """Tell everybody what there is to tell, and send what is due. A slow mail server holds up one worker alone."""
    with database_lock.try_lock(database_lock.MAIL) as ours:
        if ours:
            outbox.collect()
            daily_digest.prepare()
            sender.deliver()
            _tidy()


def _tidy() -> None:
    """Once a day: forget what was told long ago."""
    today = timezone.now().date()
    if not OutboxPosition.objects.filter(Q(tidied_on__isnull=True) | Q(tidied_on__lt=today)).update(tidied_on=today):
        return
    old = {"created_at__lt": timezone.now() - KEPT_FOR}
    Notification.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
    Digest.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
