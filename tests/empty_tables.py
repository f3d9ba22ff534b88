"""Empties the tables between two tests that commit, faster than Django does.

- After each such test Django creates all permissions and content types again, which takes longer than most tests. Here
  they stay in their tables.
- On PostgreSQL, Django uses TRUNCATE, which creates new files for every table and index. Here it is DELETE, which is
  fast for the few rows that a test leaves. Foreign keys are deferred, so the order of the tables does not matter.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

KEPT = {model._meta.db_table for model in (ContentType, Permission)}


@pytest.fixture(autouse=True, scope="session")
def empty_tables_quickly() -> Iterator[None]:
    original = connection.ops.sql_flush

    def sql_flush(style: Any, tables: Iterable[str], **options: bool) -> list[str]:
        emptied = [table for table in tables if table not in KEPT]
        if connection.vendor == "postgresql":
            return [f"DELETE FROM {connection.ops.quote_name(table)};" for table in emptied]
        return original(style, emptied, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "sql_flush", sql_flush)
        patch.setattr("django.core.management.commands.flush.emit_post_migrate_signal", lambda *_, **__: None)
        yield
