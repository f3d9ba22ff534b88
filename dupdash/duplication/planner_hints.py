"""Query expressions that keep the database's planner from choosing a slow index.

SQLite's planner does not know whether many rows match a condition. No planner knows whether the rows that contain a
word are at the beginning or at the end of a sort order. dupdash counts the matching rows before, and so can choose
better.
"""

from typing import Any

from django.db.models import Func


class Unindexed(Func):
    """A column that is hidden from SQLite's planner, for conditions that many rows match.

    SQLite then uses no index of the column, and can read the rows in the order of the result.
    """

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class SortedInMemory(Func):
    """A sort key whose column is hidden from the planner, so that no index gives the order.

    The database then finds the rows by the condition, and sorts them in memory.
    """

    arity = 1
    template = "COALESCE(%(expressions)s, %(expressions)s)"
