"""Judges the rows of plans piece by piece, so that a long list survives a restart and shows its progress."""

import logging
import time

from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.moodle_clients import open_bulk_client
from dupdash.moodle.errors import MoodleError
from dupdash.rollover.judging.conflicts import refresh_conflicts
from dupdash.rollover.judging.rows import judge_rows
from dupdash.rollover.models import Level, Plan, PlanRow, PlanState

logger = logging.getLogger("dupdash.rollover")

# After so many rows the progress is stored.
ROWS_AT_ONCE = 100
FOUND_OUT = ["included", "problems", "warnings", "shortname_key", "idnumber_key", "request", "found", "level"]


def judge_unknown_rows(plan: Plan, deadline: float) -> bool:
    """Judge the rows that were not judged yet; True when all are. ``deadline``: on the monotonic clock.

    Raises MoodleError where Moodle cannot be asked.
    """
    with open_bulk_client() as client:
        while rows := list(plan.rows.filter(level=Level.UNKNOWN)[:ROWS_AT_ONCE]):
            if time.monotonic() > deadline:
                return False
            _judge(plan, rows, client)
    refresh_conflicts(plan)
    return True


def judge_again(plan: Plan, row: PlanRow) -> None:
    """Judge one corrected row, and whatever it means for the others. Raises MoodleError."""
    with open_bulk_client() as client:
        _judge(plan, [row], client)
    refresh_conflicts(plan)
    row.refresh_from_db()


def continue_judging(plan: Plan, deadline: float) -> None:
    """Judge on; when all rows are judged, the plan is judged. Where Moodle cannot be asked, the plan says so."""
    try:
        if not judge_unknown_rows(plan, deadline):
            return
        failure = ""
    except MoodleError as error:
        logger.warning("plan %s cannot be judged: %s", plan.pk, error)
        failure = f"Moodle could not be asked. {error}"
    Plan.objects.filter(pk=plan.pk, state=PlanState.JUDGING).update(state=PlanState.JUDGED, failure=failure)


def _judge(plan: Plan, rows: list[PlanRow], client: BulkClient) -> None:
    judge_rows(plan, rows, client)
    PlanRow.objects.bulk_update(rows, FOUND_OUT, batch_size=ROWS_AT_ONCE)
