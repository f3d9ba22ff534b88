"""Repeats a database operation until the database is available again."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection

logger = logging.getLogger("dupdash.database")

T = TypeVar("T")

# PostgreSQL raises InternalError while it is read-only: during a switchover, or if its disk is nearly full.
DATABASE_DOWN = (OperationalError, InterfaceError, InternalError)
# How many seconds a worker waits for the database.
DATABASE_WAIT_LONGEST = 3600


def retry_until_database_up(operation: Callable[[], T]) -> T:
    """Run a database operation, and repeat it while the database is down. For results that must not be lost.

    Raises the last error after DATABASE_WAIT_LONGEST seconds.
    """
    deadline = time.monotonic() + DATABASE_WAIT_LONGEST
    pause = 0.2
    while True:
        try:
            return operation()
        except DATABASE_DOWN as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("waiting for the database: %s", error)
            # A connection that still works may lead to the former primary server.
            connection.close()
            time.sleep(pause)
            pause = min(5.0, pause * 2)
