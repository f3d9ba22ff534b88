"""Keeps SQLite's statistics of its indexes up to date: without them it often uses the wrong one.

PostgreSQL does so by itself (autovacuum). Reading a thousand entries of each index is enough, and takes a moment.
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
    """Once a day, whichever worker comes first. Without statistics pages are slower, and nothing else is wrong."""
    if connection.vendor != "sqlite":
        return
    try:
        if cache.add("planner-statistics", True, DAY):
            update_statistics(connection)
    except Exception as error:
        logger.warning("The statistics of the database cannot be updated: %s", error)
