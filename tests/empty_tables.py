"""Empties the tables of a PostgreSQL database between two tests by DELETE.

Django uses TRUNCATE, which creates new files for every table and index and takes longer than most tests. DELETE is fast
for the few rows that a test leaves. Foreign keys are deferred, so the order of the tables does not matter.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection


@pytest.fixture(autouse=True, scope="session")
def delete_instead_of_truncate() -> None:
    if connection.vendor != "postgresql":
        return

    def sql_flush(style: Any, tables: Sequence[str], **_: bool) -> list[str]:
        return [f"DELETE FROM {connection.ops.quote_name(table)};" for table in tables]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]
