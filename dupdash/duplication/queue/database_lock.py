"""Provides locks in the database, so that only one worker at a time does a housekeeping task that calls another server.

If Moodle or the mail server hangs, this blocks one housekeeping worker, and the others stay free. The holder of a lock
renews it from a thread. When the holder dies, the lock expires, and another worker can take it.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dupdash.duplication.models import DatabaseLock
from dupdash.duplication.queue.leases import lease_end, renewed

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
    try:
        # The renewal ends when another worker has taken the expired lock.
        with renewed(lambda: bool(_held_with(name, token).update(expires_at=lease_end())), f"the lock “{name}”"):
            yield True
    finally:
        _held_with(name, token).update(token="")


def _acquire(name: str, token: str) -> bool:
    DatabaseLock.objects.get_or_create(name=name, defaults={"token": "", "expires_at": Now()})
    free = DatabaseLock.objects.filter(~HELD, name=name)
    return bool(free.update(token=token, expires_at=lease_end()))


def _held_with(name: str, token: str) -> QuerySet[DatabaseLock]:
    return DatabaseLock.objects.filter(name=name, token=token)
