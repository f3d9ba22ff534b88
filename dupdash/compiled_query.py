"""Queries that are made again and again, for one row: their SQL is built once.

Django builds the SQL of a query anew at every call. For the two look-ups behind a status call this took 1.2 of 1.4 ms,
twelve times as long as the database itself (measured). What is built, and how values are converted, is still
Django's; nothing of a row is remembered.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


class PreparedQuery:
    """``build`` gives a query whose parameters, whatever they are there, are given to ``row`` in the same order."""

    def __init__(self, build: Callable[[], QuerySet[Any]]) -> None:
        self._build = build

    @cached_property
    def _compiled(self) -> tuple[str, list[str], Any, Any]:
        compiler = self._build().order_by().query.get_compiler(DEFAULT_DB_ALIAS)
        sql, _ = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select]
        names = [alias or column.target.attname for column, _, alias in compiler.select]
        return sql, names, compiler, compiler.get_converters(columns)

    def row(self, *parameters: str) -> dict[str, Any] | None:
        """The values of the first row by the names of their columns or annotations; None where there is none."""
        sql, names, compiler, converters = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            found = cursor.fetchone()
        if found is None:
            return None
        (values,) = compiler.apply_converters([found], converters)
        return dict(zip(names, values, strict=True))


def load(model: type[M], values: Mapping[str, Any]) -> M:
    """An instance as if it had come from a query with ``only``: what is not in ``values`` is fetched when asked for."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname in values]
    return model.from_db(DEFAULT_DB_ALIAS, names, [values[name] for name in names])
