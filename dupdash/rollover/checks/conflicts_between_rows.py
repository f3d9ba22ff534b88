"""Finds rows of one plan that request the same short name or the same ID number."""

from collections.abc import Iterable
from typing import NamedTuple

from dupdash.rollover.checks.rows import level_of
from dupdash.rollover.models import Level, Plan, PlanRow
from dupdash.rollover.reading.columns import KNOWN


class Conflict(NamedTuple):
    """The conflict of a row: the number of another row, and the column in which both have the same value.

    If there is no such row, the values are None and "".
    """

    column: str
    number: int | None


NONE = Conflict("", None)


def refresh_conflicts(plan: Plan) -> None:
    """Store for each row which other included row requests the same short name or ID number.

    Excluded rows have no conflict. A conflict changes the row's ``level``, too. Call this after rows were checked,
    corrected, excluded or included.
    """
    included = plan.rows.filter(included=True)
    conflicts = _conflicts("idnumber", included.values_list("number", "idnumber_key"))
    # If a row has both conflicts, the conflict of the short name is shown.
    conflicts |= _conflicts("shortname", included.values_list("number", "shortname_key"))
    before = plan.rows.values_list("pk", "number", "conflict_column", "conflict_row")
    now = ((pk, conflicts.get(number, NONE), Conflict(column, row)) for pk, number, column, row in before)
    _save({pk: conflict for pk, conflict, known in now if conflict != known})


def _conflicts(column: str, keys: Iterable[tuple[int, str]]) -> dict[int, Conflict]:
    by_key: dict[str, list[int]] = {}
    for number, key in keys:
        if key:
            by_key.setdefault(key, []).append(number)
    return {
        number: Conflict(column, numbers[1] if number == numbers[0] else numbers[0])
        for numbers in by_key.values()
        if len(numbers) > 1
        for number in numbers
    }


def _save(changed: dict[int, Conflict]) -> None:
    for row in PlanRow.objects.filter(pk__in=list(changed)).iterator(chunk_size=400) if changed else ():
        row.conflict_column, row.conflict_row = changed[row.pk]
        if row.level != Level.UNKNOWN:
            row.level = level_of(row)
        row.save(update_fields=["conflict_row", "conflict_column", "level"])


def conflict_message(row: PlanRow) -> str:
    """Return a sentence that names the row with the same value; "" if there is no such row."""
    if row.conflict_row is None:
        return ""
    label = {"shortname": "short name"}.get(row.conflict_column, KNOWN[row.conflict_column].label)
    return f"Row {row.conflict_row} has the same {label}."
