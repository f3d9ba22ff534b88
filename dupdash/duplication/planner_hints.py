"""Expressions that keep a database from using an index that looks good to its planner and is not.

SQLite does not know that a condition holds for many rows, and neither database knows where in an order the rows are
that contain a word. Both are known here, once the rows are counted.
"""

from typing import Any

from django.db.models import Func


class Unindexed(Func):
    """A column in a condition that very many rows meet: SQLite follows the order instead of sorting all of them."""

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class SortedInMemory(Func):
    """A value to sort few rows by: they are found by their condition, not by following the order to its end."""

    arity = 1
    template = "COALESCE(%(expressions)s, %(expressions)s)"
