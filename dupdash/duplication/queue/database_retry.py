"""Writing what must not be lost, through a database that is away for a while."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection

logger = logging.getLogger("dupdash.database")

T = TypeVar("T")

# The last is PostgreSQL's word where it may only be read: a switchover, or a disk that is nearly full.
DATABASE_DOWN = (OperationalError, InterfaceError, InternalError)
# Seconds that a worker with something to write waits for a database that is away.
DATABASE_WAIT_LIMIT = 3600


def retry_until_database_up(ask: Callable[[], T]) -> T:
    """Write what must not be lost, or read what it takes: a database that went away is waited for."""
    deadline = time.monotonic() + DATABASE_WAIT_LIMIT
    pause = 0.2
    while True:
        try:
            return ask()
        except DATABASE_DOWN as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("waiting for the database: %s", error)
            # Also one that still answers: it may lead to the server that was in charge before.
            connection.close()
            time.sleep(pause)
            pause = min(5.0, pause * 2)
