"""Starts a plan: checks its rows once more, and turns all of them into jobs of a batch, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from django.db.models import Q
from django.utils import timezone

from dupdash.accounts.access import NotAllowed
from dupdash.duplication.batch_actions import BatchSettings, InvalidBatch, submit_batch
from dupdash.duplication.moodle_clients import open_bulk_client
from dupdash.duplication.request import DuplicationRequest, Problem
from dupdash.moodle.errors import MoodleError
from dupdash.rollover.batches.start_settings import StartSettings
from dupdash.rollover.checks.plans import check_unchecked_rows
from dupdash.rollover.models import Level, Plan, PlanState

CHANGED = "Nothing was started, because rows that had no errors have errors now."


class CannotStart(Exception):
    """The plan cannot be started now. The message tells a person why."""


def request_start(plan: Plan, how: StartSettings) -> None:
    """Store that the plan is to be started, and how. ``continue_start`` then does it. Raises CannotStart."""
    if refusal := why_not(plan):
        raise CannotStart(refusal)
    changes = {"state": PlanState.STARTING, "start_settings": msgspec.to_builtins(how), "failure": ""}
    if not Plan.objects.filter(pk=plan.pk, state=PlanState.CHECKED).update(**changes):
        raise CannotStart("This list is already being started.")
    plan.rows.filter(included=True).update(level=Level.UNKNOWN)
    plan.refresh_from_db()


def why_not(plan: Plan) -> str:
    """Explain in a sentence why a plan cannot be started now; "" if it can."""
    if plan.state == PlanState.STARTED:
        return "This list was started already."
    if plan.is_working:
        return "The rows are still being checked."
    chosen = plan.rows.filter(included=True)
    if not chosen.exists():
        return "No row is selected."
    wrong = chosen.filter(Q(level=Level.ERROR)).count()
    if wrong:
        rows = "1 selected row has" if wrong == 1 else f"{wrong:,} selected rows have"
        return f"{rows} errors. Correct or exclude them."
    if chosen.filter(level=Level.UNKNOWN).exists():
        return "Some rows were not checked. Check them again."
    return ""


def continue_start(plan: Plan, deadline: float) -> None:
    """Continue checking the rows until the deadline, a time of the monotonic clock; then create the batch.

    If a row has an error or the batch cannot be created, the plan can be changed again, and its ``failure`` says why.
    """
    try:
        if not check_unchecked_rows(plan, deadline):
            return
        if plan.rows.filter(included=True, level=Level.ERROR).exists():
            _back(plan, CHANGED)
        else:
            _accept(plan)
    except InvalidBatch as invalid:
        _store(plan, invalid.problems)
        _back(plan, CHANGED)
    except NotAllowed as refusal:
        _back(plan, f"Nothing was started. {refusal}")
    except MoodleError as error:
        _back(plan, f"Nothing was started, because dupdash could not read from Moodle. {error}")


def _accept(plan: Plan) -> None:
    how = msgspec.convert(plan.start_settings, StartSettings)
    rows = plan.rows.filter(included=True, request__isnull=False).values_list("number", "request")
    requests = {number: _at(msgspec.convert(stored, DuplicationRequest), how.not_before) for number, stored in rows}
    settings = BatchSettings(plan.name, how.priority, how.window, how.mail_results)
    with open_bulk_client() as client:
        batch = submit_batch(requests, settings, actor=plan.owner, client=client, via="a list")
    Plan.objects.filter(pk=plan.pk).update(state=PlanState.STARTED, batch=batch, failure="")


def _at(request: DuplicationRequest, not_before: datetime | None) -> DuplicationRequest:
    if request.not_before is not None or not_before is None or not_before <= timezone.now():
        return request
    return replace(request, not_before=not_before)


def _store(plan: Plan, problems: Mapping[int, Sequence[Problem]]) -> None:
    for row in plan.rows.filter(number__in=list(problems)):
        row.problems = [
            [problem.field, problem.text(in_full=True), problem.job.pk if problem.job else ""]
            for problem in problems[row.number]
        ]
        row.level = Level.ERROR
        row.save(update_fields=["problems", "level"])


def _back(plan: Plan, why: str) -> None:
    Plan.objects.filter(pk=plan.pk, state=PlanState.STARTING).update(state=PlanState.CHECKED, failure=why)
