"""Takes back jobs whose worker was lost, and releases sources that a lost answer blocked long enough."""

import logging
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from dupdash.duplication.drivers.asynchronous import repeated_soon, start_lost
from dupdash.duplication.drivers.lookup import course_due_at
from dupdash.duplication.engine.completion import cancel_unsent, fail, retry_delay, start_checking
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue.leases import DEAD, doubted_long_enough
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, record_event
from dupdash.moodle.options import abilities
from dupdash.telemetry.counters import COUNTERS, LEASES_LOST, Event

logger = logging.getLogger("dupdash.recovery")

# A job that a site works on by itself is driven by no worker, and needs no lease.
DRIVEN_BY_A_WORKER = Q(state=State.RUNNING, duplicate_id="")


def recover_dead_leases() -> None:
    """Take back the jobs whose worker is gone: to the queue where nothing was sent, else to be checked.

    Not at once: after an outage of the database every lease is expired, and the first sweep may run before the workers.
    """
    driven = DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & DEAD)
    driven.filter(lease_expired_seen_at__isnull=True).update(lease_expired_seen_at=Now())
    _take_back(DEAD & doubted_long_enough(), "Its worker was lost.", at_fault=True)


def release_worker_group(worker_group: str, *, at_fault: bool) -> None:
    """Take back the jobs of processes that were just killed, without waiting for their leases to run out.

    ``at_fault``: they were not stopped by a person, and one of these jobs may be what they died of.
    """
    why = "Its worker was lost." if at_fault else "Its worker was stopped."
    _take_back(Q(lease_owner__startswith=f"{worker_group}:"), why, at_fault=at_fault)


def _take_back(whose: Q, why: str, *, at_fault: bool) -> None:
    """``at_fault``: the job itself may be what its worker died of."""
    for job in DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & whose):
        # If the lease is renewed meanwhile, or the job is sent or cancelled, this UPDATE must not match.
        guard = {
            "lease_owner": job.lease_owner,
            "lease_until": job.lease_until,
            "duplicate_id": "",
            "sent_at": job.sent_at,
            "cancel_requested_at": job.cancel_requested_at,
        }
        try:
            if job.sent_at is not None and abilities(job.driver).repeatable:
                record_event(job, kind="start_lost", reason=start_lost(why), guard=guard, **repeated_soon())
            elif job.sent_at is not None:
                start_checking(job, f"{why} The request had been sent to Moodle.", guard=guard)
            elif job.cancel_requested_at is not None:
                cancel_unsent(job, guard=guard)
            elif at_fault and job.attempts >= settings.RETRY_ATTEMPTS:
                message = f"{why} Nothing had been sent to Moodle. Tried {job.attempts} times."
                fail(job, "worker_lost", message, reason=message, guard=guard)
            else:
                _back_to_queue(job, why, guard, at_fault=at_fault)
        except StaleJob as moved:
            logger.info("%s", moved)
        else:
            COUNTERS.add(Event(LEASES_LOST))


def _back_to_queue(job: DuplicationJob, why: str, guard: dict[str, Any], *, at_fault: bool) -> None:
    changes: dict[str, Any]
    if at_fault:
        changes = {"retry_at": timezone.now() + retry_delay(job.attempts)}
    else:
        changes = {"attempts": max(0, job.attempts - 1)}
    move_job(
        job,
        State.QUEUED,
        kind="worker_lost",
        reason=f"{why} Nothing had been sent to Moodle, so it goes back to the queue.",
        guard=guard,
        dispatched_at=None,
        **changes,
    )


def release_overdue_sources() -> None:
    """Let the next copy of a source start where a lost answer blocks it, and its own course should have appeared.

    A partial course that appears later may then belong to either job: it is a candidate, which only a person deletes.
    """
    for job in DuplicationJob.objects.blocking_source().filter(state=State.CHECKING, sent_at__isnull=False):
        if course_due_at(job) > timezone.now():
            continue
        try:
            record_event(
                job,
                kind="source_released",
                reason="Its course should have appeared in Moodle by now: another copy of the same source may start.",
                guard={"source_released_at": None},
                source_released_at=timezone.now(),
            )
        except StaleJob as moved:
            logger.info("%s", moved)
