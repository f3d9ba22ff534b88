"""Creates the notifications for new job events. Running it twice creates nothing twice."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from dupdash.duplication.models import JobEvent
from dupdash.notifications.models import AGE_LONGEST, Notification, OutboxPosition
from dupdash.notifications.recipients import RecipientCache
from dupdash.notifications.topics import NOTIFIABLE

logger = logging.getLogger("dupdash.mail")

# The database assigns ids before it commits, so a later event may become visible before an earlier one. Events younger
# than this are therefore read again each time; older ones are complete. A side effect: a person who turns a topic on
# is also notified of events of the last minutes that nobody was notified of.
COMMITTED_AFTER = timedelta(minutes=10)
BATCH_SIZE = 200


def collect() -> None:
    """Create the missing notifications of all events that are younger than AGE_LONGEST and of no batch."""
    now = timezone.now()
    position = OutboxPosition.current()
    # Queried before the events are read: an event that arrives in between is younger.
    new = JobEvent.objects.filter(pk__gt=position.event_id)
    committed = new.filter(at__lt=now - COMMITTED_AFTER).aggregate(last=Max("pk"))
    notified = Notification.objects.filter(event=OuterRef("pk"))
    # The requester of a batch gets one email with its results, and none for each copy.
    pending = new.filter(NOTIFIABLE, ~Exists(notified), at__gte=now - AGE_LONGEST, job__batch__isnull=True)
    recipients = RecipientCache()
    last = 0
    while events := list(pending.filter(pk__gt=last).select_related("job").order_by("pk")[:BATCH_SIZE]):
        rows = [row for event in events for row in recipients.notifications(event)]
        with transaction.atomic():
            Notification.objects.bulk_create(rows, ignore_conflicts=True)
        last = events[-1].pk
    if committed["last"]:
        OutboxPosition.objects.filter(event_id__lt=committed["last"]).update(event_id=committed["last"])
