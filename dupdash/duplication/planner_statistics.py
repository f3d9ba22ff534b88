"""Updates the statistics by which the database chooses an index: after every ``migrate``, and on SQLite once a day.

PostgreSQL updates its own statistics when many rows have changed, but not for a new index of an expression. Without
them, a search sorted by duration takes 1 s instead of 0.1 s. SQLite reads only a thousand entries of each index: they
are enough, and are read quickly.
"""

import logging

from django.core.cache import cache
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("dupdash.database")

DAY = 24 * 3600


def update_statistics(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA analysis_limit = 1000")
            cursor.execute("ANALYZE")
        else:
            # Only this table: in a shared database ANALYZE alone would warn about the tables of other owners.
            cursor.execute("ANALYZE duplication_duplicationjob")


def update_if_due() -> None:
    """On SQLite, update the statistics once a day. A failure is only logged: pages are slower then, but correct."""
    if connection.vendor != "sqlite":
        return
    try:
        if cache.add("planner-statistics", True, DAY):
            update_statistics(connection)
    except Exception as error:
        logger.warning("The statistics of the database cannot be updated: %s", error)
