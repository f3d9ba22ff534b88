"""Helpers for tests of rollovers: create and start plans, and read their problems."""

from typing import Any

from django.contrib.auth.models import User

from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.moodle import options
from dupdash.rollover import tasks
from dupdash.rollover.batches.start import request_start
from dupdash.rollover.batches.start_settings import StartSettings
from dupdash.rollover.models import Plan, PlanRow
from dupdash.rollover.plan_creation import plan_from_table
from tests.rollover.files import HEADINGS, read

# A course of the sandbox.
BIO101, CATEGORY = 7, 8


def rows(count: int, *, source: Any = "BIO101-2026S1", category: Any = CATEGORY) -> str:
    """Return a list of copies of one source, as CSV."""
    lines = [f"{source},Introduction to Biology {n},BIO-COPY-{n},{category}" for n in range(1, count + 1)]
    return "\n".join([HEADINGS, *lines])


def a_plan(content: str, owner: User | None, *, checked: bool = True, **columns: Any) -> Plan:
    plan = plan_from_table(read(content), name="Term 2027", owner=owner, options=options.defaults())
    if columns:
        Plan.objects.filter(pk=plan.pk).update(**columns)
    if checked:
        tasks.continue_work()
    plan.refresh_from_db()
    return plan


def row(plan: Plan, number: int = 2) -> PlanRow:
    return plan.rows.get(number=number)


def problems(plan: Plan, number: int = 2) -> str:
    """Return the problems of a row as text."""
    return " ".join(message for _, message, _ in row(plan, number).problems)


def start(plan: Plan, **how: Any) -> Batch | None:
    """Start a plan, and run the task that processes it. Returns the new batch, or None if the plan was not started."""
    request_start(plan, StartSettings(**how))
    tasks.continue_work()
    plan.refresh_from_db()
    return plan.batch


def jobs_of(batch: Batch | None) -> list[DuplicationJob]:
    assert batch is not None
    return list(DuplicationJob.objects.filter(batch=batch).order_by("batch_row"))
