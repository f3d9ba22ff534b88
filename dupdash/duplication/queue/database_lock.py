"""Provides locks in the database, so that one worker at a time does each housekeeping that uses another server.

If Moodle or the mail server hangs, this blocks one housekeeping worker, and the others stay free. The holder of a lock
renews it from a thread. When the holder dies, the lock expires, and another worker can take it.
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

from dupdash.duplication.models import DatabaseLock
from dupdash.duplication.queue.leases import lease_end

logger = logging.getLogger("dupdash.database")

# The names of the locks.
MOODLE, MAIL, CALLBACKS, ROLLOVER = "moodle", "mail", "callbacks", "rollover"
HELD = ~Q(token="") & Q(expires_at__gte=Now())


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Take a lock for the ``with`` block, without waiting for it. Yields whether the lock was free."""
    token = uuid.uuid4().hex
    if not _acquire(name, token):
        yield False
        return
    done = threading.Event()
    renewer = threading.Thread(target=_renew_until, args=(name, token, done), name=f"lock-{name}", daemon=True)
    renewer.start()
    try:
        yield True
    finally:
        done.set()
        renewer.join()
        _held_with(name, token).update(token="")


def _acquire(name: str, token: str) -> bool:
    DatabaseLock.objects.get_or_create(name=name, defaults={"token": "", "expires_at": Now()})
    free = DatabaseLock.objects.filter(~HELD, name=name)
    return bool(free.update(token=token, expires_at=lease_end()))


def _held_with(name: str, token: str) -> QuerySet[DatabaseLock]:
    return DatabaseLock.objects.filter(name=name, token=token)


def _renew_until(name: str, token: str, done: threading.Event) -> None:
    """Renew the lock until ``done`` is set, or until another worker has taken the expired lock."""
    try:
        while not done.wait(settings.LEASE_SECONDS / 4):
            try:
                if not _held_with(name, token).update(expires_at=lease_end()):
                    return
            except DatabaseError as error:
                logger.warning("the lock “%s” could not be renewed: %s", name, error)
                close_old_connections()
    finally:
        connection.close()
