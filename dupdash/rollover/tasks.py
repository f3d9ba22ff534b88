"""The task of the housekeeping cluster that works on plans. django-q2 may run it twice, late or never."""

import logging
import time

from dupdash.duplication.queue import database_lock
from dupdash.duplication.queue.dispatch import HOUSEKEEPING, enqueue
from dupdash.rollover.judging.plans import continue_judging
from dupdash.rollover.models import Plan, PlanState, Undo, UndoState
from dupdash.rollover.running.end import close_ended, mail_results
from dupdash.rollover.running.sources import continue_hiding
from dupdash.rollover.running.start import continue_start
from dupdash.rollover.running.undo import continue_undo

logger = logging.getLogger("dupdash.rollover")

# Seconds after which the task makes room for others; what is left follows in a new one.
TIME_LIMIT = 10.0
NAME = "dupdash.rollover.tasks.continue_work"


def ask_for_work() -> None:
    """Have a worker continue with what waits. If this message is lost, the supervisor asks again."""
    enqueue(HOUSEKEEPING, NAME)


def continue_work() -> None:
    """Judge and start plans, close and undo batches, and hide sources.

    One worker at a time does this, so that the others stay free.
    """
    with database_lock.try_lock(database_lock.ROLLOVER) as acquired:
        if not acquired:
            return
        close_ended()
        mail_results()
        deadline = time.monotonic() + TIME_LIMIT
        left = _work(deadline)
        continue_hiding(deadline)
    if left:
        ask_for_work()


def _work(deadline: float) -> bool:
    """Work until the deadline; whether something is left to do."""
    plans = Plan.objects.filter(state__in=(PlanState.JUDGING, PlanState.STARTING)).order_by("created_at")
    undos = Undo.objects.filter(state__in=(UndoState.CHECKING, UndoState.DELETING)).order_by("created_at")
    for plan in plans:
        if time.monotonic() > deadline:
            return True
        if plan.state == PlanState.JUDGING:
            continue_judging(plan, deadline)
        else:
            continue_start(plan, deadline)
    for undo in undos:
        if time.monotonic() > deadline:
            return True
        continue_undo(undo, deadline)
    return plans.exists() or undos.exists()
