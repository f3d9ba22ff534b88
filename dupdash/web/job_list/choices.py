"""Lists the choices of the filters: the values that occur in the jobs that a person may see."""

from functools import lru_cache
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Max
from django.db.models.lookups import Exact
from django.utils.translation import get_language

from dupdash.accounts.role_members import possible_assignees
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.name_display import isolate
from dupdash.duplication.person_names import COMMAND_LINE, display_name, name_of
from dupdash.duplication.planner_hints import Unindexed
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import State
from dupdash.moodle.options import OPTIONS

NOBODY = "none"
NO_CODE = "-"
_JOBS = DuplicationJob._meta.db_table
Choices = list[tuple[str, Any]]


def people() -> Choices:
    # One query of columns: with 600 requesters this takes a third of the time that loading the people would take.
    join = f"JOIN {User._meta.db_table} AS person ON person.id = value"
    requesters = _distinct_values("requester_id", more="first_name, last_name, username", join=join)
    named = _by_name(tuple(requesters), get_language() or "")
    without = DuplicationJob.objects.filter(requester__isnull=True).exists()
    return [*named, (NOBODY, COMMAND_LINE.capitalize())] if without else list(named)


@lru_cache(maxsize=8)
def _by_name(people: tuple[tuple[int, str, str, str], ...], language: str) -> tuple[tuple[str, str], ...]:
    """Return the choices of people, sorted by the names that pages in this language show.

    ``people``: id, first name, last name and username. ``language`` is only a part of the cache's key, because
    ``isolate`` reads the active language. The result is cached: every list needs it, and 600 names take 5 ms.
    """
    named = ((str(key), isolate(display_name(*names))) for key, *names in people)
    return tuple(sorted(named, key=lambda choice: fold_text(choice[1])))


def assignees() -> Choices:
    return [(str(person.pk), isolate(name_of(person))) for person in possible_assignees()]


def categories(own: JobQuerySet | None) -> Choices:
    """Return the categories, by their latest names. ``own``: the jobs that the person may see; None: all jobs."""
    if own is None:
        latest = f"SELECT category_name FROM {_JOBS} WHERE category_id = value ORDER BY created_at DESC LIMIT 1"  # noqa: S608
        names = dict(_distinct_values("category_id", more=f"({latest})"))
    else:
        known = own.order_by().values_list("category_id", "category_name").annotate(last=Max("created_at"))
        names = {category: name for category, name, _ in known.order_by("last")}
    named = ((str(category), isolate(name or f"Category {category}")) for category, name in names.items())
    return sorted(named, key=lambda choice: fold_text(choice[1]))


def options() -> Choices:
    return [
        ("Included", [(option.name, option.label) for option in OPTIONS]),
        ("Not included", [(f"-{option.name}", option.label) for option in OPTIONS]),
    ]


def combinations_with(option: str, *, chosen: bool) -> list[str]:
    """Return the values of ``chosen_options`` that occur in jobs and have an option on, or off if not ``chosen``.

    Few different values occur, and an index contains them.
    """
    return [value for value in _distinct_values("chosen_options") if (option in value.split()) == chosen]


def causes(own: JobQuerySet | None) -> Choices:
    if own is None:
        codes = _distinct_values("failure_code", state=State.FAILED)
    else:
        # Without the index of states: these people have few jobs, and SQLite would read all failed jobs.
        failed = own.filter(Exact(Unindexed(F("state")), State.FAILED))
        codes = list(failed.order_by().values_list("failure_code", flat=True).distinct())
    return sorted(((code or NO_CODE, cause_of(code)) for code in codes), key=lambda choice: choice[1])


def cause_of(code: str) -> str:
    """Return the explanation of an error code. The general explanation of unknown codes is followed by the code."""
    words = explain(code).happened.rstrip(".")
    return words if explain(code) is not explain("") else f"{words} ({isolate(code) if code else 'no code'})"


def _distinct_values(column: str, *, state: str = "", more: str = "", join: str = "") -> list[Any]:
    """Return the distinct values of a column in all jobs; with ``more``, rows of a value and these further columns.

    A recursive query jumps from value to value in the index of the column. SELECT DISTINCT would read the whole index.
    ``state``: only jobs in this state. ``more``: SQL of the further columns, which can use ``value``. ``join``: SQL
    that joins the table of these columns.
    """
    of_state, parameters = ("state = %s AND ", [state, state]) if state else ("", [])

    def first(condition: str) -> str:
        return f"SELECT {column} FROM {_JOBS} WHERE {of_state}{column} {condition} ORDER BY {column} LIMIT 1"  # noqa: S608

    columns = f"value, {more}" if more else "value"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE steps(value) AS (SELECT * FROM ({first('IS NOT NULL')}) AS start UNION ALL "  # noqa: S608
            f"SELECT ({first('> steps.value')}) FROM steps WHERE steps.value IS NOT NULL) "
            f"SELECT {columns} FROM steps {join} WHERE value IS NOT NULL",
            parameters,
        )
        return [row if more else row[0] for row in cursor.fetchall()]
