"""Query expressions that keep the database's planner from choosing a slow index.

SQLite does not know that many rows match a condition. Neither database knows where in an order the rows with a word
are. dupdash counts the matching rows and knows better.
"""

from typing import Any

from django.db.models import Func


class Unindexed(Func):
    """A column without its index, for conditions that many rows match: SQLite then reads the rows in their order."""

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class SortedInMemory(Func):
    """A sort key without its index, for few rows: the database finds them by the condition and sorts them."""

    arity = 1
    template = "COALESCE(%(expressions)s, %(expressions)s)"
