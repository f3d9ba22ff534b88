"""Whose turn it is: of what waits for others, for Moodle or a mail server, housekeeping does one thing at a time.

A Moodle that is slow or hangs, or a deletion of some minutes, then holds one worker of housekeeping and no other. Who
has the turn renews it from a thread, on the database's clock: when it dies, another one may go on soon.
"""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.queue.leases import lease_end

logger = logging.getLogger("dupdash.turns")

# The rows that all meet at: who has the turn, and until when that is believed.
MOODLE, MAIL = "turn", "mail"
HELD = ~Q(token="") & Q(at__gte=Now())


@contextmanager
def try_lock(row: str) -> Iterator[bool]:
    """True inside where it is this worker's turn, at Moodle or at the mail; False where another one is at it."""
    token = uuid.uuid4().hex
    if not _acquire(row, token):
        yield False
        return
    done = threading.Event()
    renewer = threading.Thread(target=_renew_until, args=(row, token, done), name=row, daemon=True)
    renewer.start()
    try:
        yield True
    finally:
        done.set()
        renewer.join()
        _held_by(row, token).update(token="")


def _acquire(row: str, token: str) -> bool:
    ClusterHeartbeat.objects.get_or_create(cluster=row, defaults={"token": "", "at": Now()})
    free = ClusterHeartbeat.objects.filter(~HELD, cluster=row)
    return bool(free.update(token=token, at=lease_end()))


def _held_by(row: str, token: str) -> QuerySet[ClusterHeartbeat]:
    return ClusterHeartbeat.objects.filter(cluster=row, token=token)


def _renew_until(row: str, token: str, done: threading.Event) -> None:
    """Renew the turn until it is over; one that was taken over meanwhile is left to whoever has it."""
    try:
        while not done.wait(settings.LEASE_SECONDS / 4):
            try:
                if not _held_by(row, token).update(at=lease_end()):
                    return
            except DatabaseError as error:
                logger.warning("the turn “%s” could not be renewed: %s", row, error)
                close_old_connections()
    finally:
        connection.close()
