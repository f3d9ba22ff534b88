"""Finds rows of one plan that ask for the same short name."""

from dupdash.rollover.judging.rows import level_of
from dupdash.rollover.models import Level, Plan, PlanRow


def refresh_twins(plan: Plan) -> None:
    """Set ``twin`` of every included row to the number of another included row with its short name, if there is one.

    Call this after rows were judged, corrected, excluded or included.
    """
    rows = list(plan.rows.values_list("pk", "number", "shortname_key", "included", "twin"))
    by_key: dict[str, list[int]] = {}
    for _, number, key, included, _ in rows:
        if included and key:
            by_key.setdefault(key, []).append(number)
    changed = {}
    for pk, number, key, included, twin in rows:
        others = [other for other in by_key.get(key, [])[:2] if other != number] if included and key else []
        now = others[0] if others else None
        if now != twin:
            changed[pk] = now
    _save(changed)


def _save(changed: dict[int, int | None]) -> None:
    for row in PlanRow.objects.filter(pk__in=list(changed)).iterator(chunk_size=400) if changed else ():
        row.twin = changed[row.pk]
        if row.level != Level.UNKNOWN:
            row.level = level_of(row)
        row.save(update_fields=["twin", "level"])
