"""Empty the tables of a PostgreSQL between two tests by DELETE.

Django's TRUNCATE makes new files for every table and index, which takes longer than most of these tests; with the few
rows that a test leaves, DELETE takes next to nothing. Foreign keys are deferred, so the order does not matter.
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
