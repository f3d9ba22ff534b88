"""Checks the rows of a plan in portions, so that a long plan shows progress and survives a restart."""

import logging
import time

from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.moodle_clients import open_bulk_client
from dupdash.moodle.errors import MoodleError
from dupdash.rollover.checks.conflicts_between_rows import refresh_conflicts
from dupdash.rollover.checks.rows import check_rows
from dupdash.rollover.models import Level, Plan, PlanRow, PlanState

logger = logging.getLogger("dupdash.rollover")

# The results are stored after this many rows.
ROWS_AT_ONCE = 100
FOUND_OUT = ["included", "problems", "warnings", "shortname_key", "idnumber_key", "request", "found", "level"]


def check_unchecked_rows(plan: Plan, deadline: float) -> bool:
    """Check the rows that were not checked yet. Returns whether all rows are checked now.

    ``deadline`` is a time of the monotonic clock. Raises MoodleError if Moodle does not answer.
    """
    with open_bulk_client() as client:
        while rows := list(plan.rows.filter(level=Level.UNKNOWN)[:ROWS_AT_ONCE]):
            if time.monotonic() > deadline:
                return False
            _check(plan, rows, client)
    refresh_conflicts(plan)
    return True


def check_row_again(plan: Plan, row: PlanRow) -> None:
    """Check one corrected row, and update the conflicts of the other rows. Raises MoodleError."""
    with open_bulk_client() as client:
        _check(plan, [row], client)
    refresh_conflicts(plan)
    row.refresh_from_db()


def continue_checks(plan: Plan, deadline: float) -> None:
    """Continue checking the rows of a plan until the deadline, a time of the monotonic clock.

    The plan becomes CHECKED when all rows are checked, or with a failure message if Moodle does not answer.
    """
    try:
        if not check_unchecked_rows(plan, deadline):
            return
        failure = ""
    except MoodleError as error:
        logger.warning("plan %s cannot be checked: %s", plan.pk, error)
        failure = f"dupdash could not read from Moodle. {error}"
    Plan.objects.filter(pk=plan.pk, state=PlanState.CHECKING).update(state=PlanState.CHECKED, failure=failure)


def _check(plan: Plan, rows: list[PlanRow], client: BulkClient) -> None:
    check_rows(plan, rows, client)
    PlanRow.objects.bulk_update(rows, FOUND_OUT, batch_size=ROWS_AT_ONCE)
