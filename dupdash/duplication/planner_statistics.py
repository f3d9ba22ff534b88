"""Updates SQLite's index statistics: without them SQLite often chooses the wrong index.

PostgreSQL updates its own statistics (autovacuum). A thousand entries of each index are enough, and are read quickly.
"""

import logging

from django.core.cache import cache
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("dupdash.database")

DAY = 24 * 3600


def update_statistics(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA analysis_limit = 1000")
            cursor.execute("ANALYZE")


def update_if_due() -> None:
    """Update the statistics once a day. A failure is logged only: pages are slower then, but correct."""
    if connection.vendor != "sqlite":
        return
    try:
        if cache.add("planner-statistics", True, DAY):
            update_statistics(connection)
    except Exception as error:
        logger.warning("The statistics of the database cannot be updated: %s", error)
