"""Finds rows of one plan that ask for the same short name or the same idnumber."""

from collections.abc import Iterable
from typing import NamedTuple

from dupdash.rollover.judging.rows import level_of
from dupdash.rollover.models import Level, Plan, PlanRow
from dupdash.rollover.reading.columns import KNOWN


class Twin(NamedTuple):
    """Another row with the same value in this column; no column and None where there is none."""

    column: str
    number: int | None


NONE = Twin("", None)


def refresh_twins(plan: Plan) -> None:
    """Set ``twin`` and ``twin_column`` of every included row.

    Call this after rows were judged, corrected, excluded or included.
    """
    included = plan.rows.filter(included=True)
    twins = _twins("idnumber", included.values_list("number", "idnumber_key"))
    # A row with both is told of the short name first.
    twins |= _twins("shortname", included.values_list("number", "shortname_key"))
    before = plan.rows.values_list("pk", "number", "twin_column", "twin")
    now = ((pk, twins.get(number, NONE), Twin(column, twin)) for pk, number, column, twin in before)
    _save({pk: twin for pk, twin, known in now if twin != known})


def _twins(column: str, keys: Iterable[tuple[int, str]]) -> dict[int, Twin]:
    by_key: dict[str, list[int]] = {}
    for number, key in keys:
        if key:
            by_key.setdefault(key, []).append(number)
    return {
        number: Twin(column, numbers[1] if number == numbers[0] else numbers[0])
        for numbers in by_key.values()
        if len(numbers) > 1
        for number in numbers
    }


def _save(changed: dict[int, Twin]) -> None:
    for row in PlanRow.objects.filter(pk__in=list(changed)).iterator(chunk_size=400) if changed else ():
        row.twin_column, row.twin = changed[row.pk]
        if row.level != Level.UNKNOWN:
            row.level = level_of(row)
        row.save(update_fields=["twin", "twin_column", "level"])


def words_of_twin(row: PlanRow) -> str:
    """That another row has the same name, in a sentence; "" where none has."""
    if row.twin is None:
        return ""
    label = {"shortname": "short name"}.get(row.twin_column, KNOWN[row.twin_column].label)
    return f"Row {row.twin} has the same {label}."
