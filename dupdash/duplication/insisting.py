"""Writing what must not be lost, through a database that is away for a while."""

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, close_old_connections

logger = logging.getLogger("dupdash.database")

# Seconds that a worker with something to write waits for a database that is away.
DATABASE_PATIENCE = 3600


def insist(write: Callable[[], None]) -> None:
    """Write what must not be lost: a database that went away is waited for."""
    deadline = time.monotonic() + DATABASE_PATIENCE
    pause = 0.2
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("waiting for the database: %s", error)
            close_old_connections()
            time.sleep(pause)
            pause = min(5.0, pause * 2)
