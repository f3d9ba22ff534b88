"""Creates a plan from the rows of a file, or from courses that a person chose in Moodle."""

from collections.abc import Iterable, Mapping, Sequence

from django.contrib.auth.models import User
from django.db import transaction

from dupdash.moodle.records import Category, Course
from dupdash.rollover.checks.category_lookup import Categories
from dupdash.rollover.models import Plan, PlanRow
from dupdash.rollover.reading.table import Table
from dupdash.rollover.renaming import Renaming
from dupdash.rollover.start_dates import DateRule, Dates
from dupdash.rollover.target_categories import TargetRule

ROWS_AT_ONCE = 400


def plan_from_table(table: Table, *, name: str, owner: User | None, options: Mapping[str, int]) -> Plan:
    """Create a plan with the rows of a file. A worker checks the rows later (``tasks.continue_work``)."""
    rows = (
        PlanRow(
            number=row.number,
            values=row.values,
            others=row.others,
            file_problems=[[problem.column, problem.message] for problem in row.problems],
        )
        for row in table.rows
    )
    plan = Plan(
        name=name,
        owner=owner,
        kind=table.kind,
        notes=list(table.notes),
        headings=[heading.column.name if heading.column else heading.text for heading in table.headings],
        options=dict(options),
    )
    return _save(plan, rows)


def plan_from_courses(
    courses: Sequence[Course],
    renaming: Renaming,
    target: TargetRule,
    dates: Dates,
    all_categories: Sequence[Category],
    *,
    name: str,
    owner: User | None,
    options: Mapping[str, int],
) -> Plan:
    """Create a plan with a row for each course. The rules determine names, category and dates. Raises InvalidRule."""
    renaming.check()
    categories = Categories(all_categories)
    rows = []
    for number, course in enumerate(courses, start=1):
        fullname, shortname = renaming.names(course.fullname, course.shortname)
        category = target.category_of(course, all_categories, categories)
        values = {"source": str(course.id), "fullname": fullname, "shortname": shortname, "category": category}
        if dates.rule != DateRule.KEEP:
            start = dates.start_of(course)
            values["startdate"] = start.isoformat() if start else ""
        if renaming.idnumber_template:
            values["idnumber"] = renaming.idnumber(course.fullname, course.shortname, course.idnumber or "")
        rows.append(PlanRow(number=number, values=values))
    plan = Plan(
        name=name,
        owner=owner,
        kind="Courses chosen in Moodle",
        headings=list(rows[0].values) if rows else [],
        options=dict(options),
        leaves_out_copied=True,
    )
    return _save(plan, rows)


def _save(plan: Plan, rows: Iterable[PlanRow]) -> Plan:
    rows = list(rows)
    for row in rows:
        row.plan = plan
    with transaction.atomic():
        plan.save(force_insert=True)
        PlanRow.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    return plan
