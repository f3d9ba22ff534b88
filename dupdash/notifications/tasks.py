"""What housekeeping calls, through django-q2: it may come twice, late or never."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from dupdash.notifications import collecting, delivering, digests
from dupdash.notifications.models import Courier, Delivery, Digest, Notification

logger = logging.getLogger("dupdash.mail")

# One run at a time: a mail server that answers slowly holds up one worker of housekeeping and not both. Longer than a
# run takes; one that died is followed by the next after this.
BUSY_FOR = timedelta(minutes=3)
# What was told is kept so long for those who ask whether it was.
KEPT_FOR = timedelta(days=30)


def send_due() -> None:
    """Tell everybody what there is to tell, and send what is due."""
    now = timezone.now()
    Courier.current()
    free = Courier.objects.filter(Q(busy_until__isnull=True) | Q(busy_until__lt=now))
    until = now + BUSY_FOR
    if not free.update(busy_until=until):
        return
    try:
        collecting.collect()
        digests.prepare()
        delivering.deliver()
        _tidy()
    finally:
        # Only our own: after more than BUSY_FOR somebody else may be at it.
        Courier.objects.filter(busy_until=until).update(busy_until=None)


def _tidy() -> None:
    """Once a day: forget what was told long ago."""
    today = timezone.now().date()
    if not Courier.objects.filter(Q(tidied_on__isnull=True) | Q(tidied_on__lt=today)).update(tidied_on=today):
        return
    old = {"created_at__lt": timezone.now() - KEPT_FOR}
    Notification.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
    Digest.objects.filter(**old).exclude(delivery=Delivery.WAITING).delete()
