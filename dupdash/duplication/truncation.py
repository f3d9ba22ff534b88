"""Names as Moodle has them, and as much of them as a job keeps."""

from typing import TYPE_CHECKING, cast

from dupdash.duplication.models import DuplicationJob

if TYPE_CHECKING:
    from django.db.models import CharField


def truncate_for(column: str, name: str) -> str:
    """A name for this column of a job, cut where it is longer: PostgreSQL would refuse the whole row.

    It is for people. Of a source's short name the engine needs what a temporary one begins with, which is never cut.
    """
    field = cast("CharField[str, str]", DuplicationJob._meta.get_field(column))
    longest = field.max_length or len(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
