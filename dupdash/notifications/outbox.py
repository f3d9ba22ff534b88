"""From the ledger to the outbox: every event worth telling becomes rows, once, however often it is looked at."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from dupdash.duplication.models import JobEvent
from dupdash.notifications.models import TOLD_FOR, Notification, OutboxPosition
from dupdash.notifications.recipients import Audience
from dupdash.notifications.topics import WORTH_TELLING

logger = logging.getLogger("dupdash.mail")

# Ids are given out before they are committed, so a later event may be seen before an earlier one. What is older than
# this is taken to be complete; what is younger is looked at again each time. So whoever chooses to be told of
# something is told of what happened in these minutes before, too, if nobody was told of it yet.
SETTLED_AFTER = timedelta(minutes=10)
AT_ONCE = 200


def collect() -> int:
    """Write the rows of all events that have none yet; returns how many rows."""
    now = timezone.now()
    position = OutboxPosition.current()
    # Asked for before the events are: what arrives in between is younger.
    settled = JobEvent.objects.filter(pk__gt=position.event_id, at__lt=now - SETTLED_AFTER).aggregate(last=Max("pk"))
    told = Notification.objects.filter(event=OuterRef("pk"))
    untold = JobEvent.objects.filter(WORTH_TELLING, ~Exists(told), pk__gt=position.event_id, at__gte=now - TOLD_FOR)
    audience = Audience()
    written, last = 0, 0
    while events := list(untold.filter(pk__gt=last).select_related("job").order_by("pk")[:AT_ONCE]):
        rows = [row for event in events for row in audience.notifications(event)]
        with transaction.atomic():
            Notification.objects.bulk_create(rows, ignore_conflicts=True)
        written, last = written + len(rows), events[-1].pk
    if settled["last"]:
        OutboxPosition.objects.filter(event_id__lt=settled["last"]).update(event_id=settled["last"])
    return written
