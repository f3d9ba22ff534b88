"""Truncates Moodle's names to the length of a job's columns."""

from typing import TYPE_CHECKING, cast

from dupdash.duplication.models import DuplicationJob

if TYPE_CHECKING:
    from django.db.models import CharField


def truncate_for(column: str, name: str) -> str:
    """Return the name, truncated to the length of a column, because PostgreSQL would refuse a longer one.

    The engine uses only the beginning of a source's short name, for temporary names; that part is never truncated.
    """
    field = cast("CharField[str, str]", DuplicationJob._meta.get_field(column))
    longest = field.max_length or len(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
