"""Reads one row, also of a join, as model instances. The SQL is built once, for queries that are made very often.

Building the same query from a QuerySet or a RawQuerySet takes several times as long as running it (measured).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def first_row(sql: str, parameters: Sequence[str]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


class Columns(Generic[M]):
    """The columns of a model that a query reads. A field of another column makes a query of its own when it is read."""

    def __init__(self, model: type[M], *names: str) -> None:
        self._model = model
        self._names = frozenset(names)

    @cached_property
    def names(self) -> list[str]:
        """Return the column names in the order of the model, as ``from_db`` needs them."""
        return [field.attname for field in self._model._meta.concrete_fields if field.attname in self._names]

    @cached_property
    def _converters(self) -> list[tuple[int, Any, Any]]:
        """Return the functions that convert database values to Python values. Most columns need none."""
        found = []
        for place, name in enumerate(self.names):
            field = self._model._meta.get_field(name)
            column = field.get_col(self._model._meta.db_table)  # type: ignore[union-attr]
            for convert in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)):
                found.append((place, convert, column))
        return found

    def for_select(self, table: str) -> str:
        """Return the columns for a SELECT, as SQL. ``table``: the name or alias of the model's table in the SELECT."""
        return ", ".join(f"{table}.{name}" for name in self.names)

    def instance(self, row: Sequence[Any]) -> M:
        values = list(row)
        for place, convert, column in self._converters:
            values[place] = convert(values[place], column, connection)
        return self._model.from_db(DEFAULT_DB_ALIAS, self.names, values)
