"""The housekeeping task that processes plans and batches. django-q2 may run it twice, late or never."""

import logging
import time

from dupdash.duplication.queue import database_lock
from dupdash.duplication.queue.dispatch import HOUSEKEEPING, enqueue
from dupdash.rollover.batches.close import close_ended, mail_results, note_late_copies
from dupdash.rollover.batches.hide_sources import continue_hiding
from dupdash.rollover.batches.start import continue_start
from dupdash.rollover.batches.undo_batch import continue_undo
from dupdash.rollover.checks.plans import continue_checks
from dupdash.rollover.models import Plan, PlanState, Undo, UndoState

logger = logging.getLogger("dupdash.rollover")

# After this many seconds the task ends, so that other tasks can run. A new task continues the work.
RUN_LONGEST = 10.0
NAME = "dupdash.rollover.tasks.continue_work"


def ask_for_work() -> None:
    """Enqueue the task ``continue_work``. If this message is lost, the supervisor enqueues it again."""
    enqueue(HOUSEKEEPING, NAME)


def continue_work() -> None:
    """Check and start plans, close and undo batches, email their results, and hide and show sources.

    A lock lets only one worker do this at a time, so that the other workers stay free for other tasks.
    """
    with database_lock.try_lock(database_lock.ROLLOVER) as acquired:
        if not acquired:
            return
        close_ended()
        note_late_copies()
        mail_results()
        deadline = time.monotonic() + RUN_LONGEST
        left = _work(deadline)
        continue_hiding(deadline)
    if left:
        ask_for_work()


def _work(deadline: float) -> bool:
    """Process plans and undos until the deadline, a time of the monotonic clock. Returns whether work is left."""
    plans = Plan.objects.filter(state__in=(PlanState.CHECKING, PlanState.STARTING)).order_by("created_at")
    undos = Undo.objects.filter(state__in=(UndoState.CHECKING, UndoState.DELETING)).order_by("created_at")
    for plan in plans:
        if time.monotonic() > deadline:
            return True
        if plan.state == PlanState.CHECKING:
            continue_checks(plan, deadline)
        else:
            continue_start(plan, deadline)
    for undo in undos:
        if time.monotonic() > deadline:
            return True
        continue_undo(undo, deadline)
    return plans.exists() or undos.exists()
