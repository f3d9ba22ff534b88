"""Recovers jobs whose worker was lost, and frees the sources that jobs with a lost answer have blocked long enough."""

import logging
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from dupdash.duplication.drivers.asynchronous import columns_without_worker, reason_of_lost_start
from dupdash.duplication.drivers.lookup import course_due_at
from dupdash.duplication.engine.job_endings import cancel_unsent, fail, retry_delay, start_checking
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.quantities import times
from dupdash.duplication.queue.leases import EXPIRED, expired_for_a_while
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, record_event
from dupdash.moodle.driver_abilities import abilities
from dupdash.telemetry.counters import COUNTERS, LEASES_LOST, Event

logger = logging.getLogger("dupdash.recovery")

# A copy that the site makes in the background needs no worker and no lease.
DRIVEN_BY_A_WORKER = Q(state=State.RUNNING, duplicate_id="")


def recover_expired_leases() -> None:
    """Recover jobs whose lease has expired.

    Jobs that were not sent return to the queue, or fail after the last attempt. For jobs that were sent, the sweep
    checks in Moodle, or repeats the start call if the site takes an idempotency key.

    This happens half a lease after a sweep has found the lease expired: after an outage of the database every lease is
    expired, and the workers need time to renew their leases.
    """
    driven = DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & EXPIRED)
    driven.filter(lease_expired_seen_at__isnull=True).update(lease_expired_seen_at=Now())
    _recover(EXPIRED & expired_for_a_while(), "The process that worked on this copy stopped.", at_fault=True)


def recover_worker_group(worker_group: str, *, at_fault: bool) -> None:
    """Recover the jobs of a cluster's processes, which were just killed, without waiting until the leases expire.

    ``at_fault``: the processes failed, and one of these jobs may be the cause.
    """
    why = f"The process that worked on this copy {'stopped' if at_fault else 'was stopped'}."
    _recover(Q(lease_owner__startswith=f"{worker_group}:"), why, at_fault=at_fault)


def _recover(whose: Q, why: str, *, at_fault: bool) -> None:
    """Recover the jobs that match ``whose``. ``at_fault``: a job may be the cause of its worker's failure."""
    for job in DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & whose):
        # The UPDATE must not match if the lease was renewed meanwhile, or if the job was sent or cancelled.
        guard = {
            "lease_owner": job.lease_owner,
            "lease_until": job.lease_until,
            "duplicate_id": "",
            "sent_at": job.sent_at,
            "cancel_requested_at": job.cancel_requested_at,
        }
        try:
            if job.sent_at is not None and abilities(job.driver).idempotent_start:
                record_event(
                    job, kind="start_lost", reason=reason_of_lost_start(why), guard=guard, **columns_without_worker()
                )
            elif job.sent_at is not None:
                start_checking(job, f"{why} The request had been sent to Moodle.", guard=guard)
            elif job.cancel_requested_at is not None:
                cancel_unsent(job, guard=guard)
            elif at_fault and job.attempts >= settings.RETRY_ATTEMPTS:
                message = f"{why} Nothing had been sent to Moodle. dupdash tried {times(job.attempts)}."
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
        reason=f"{why} Nothing had been sent to Moodle, so the job returns to the queue.",
        guard=guard,
        dispatched_at=None,
        **changes,
    )


def release_overdue_sources() -> None:
    """Free the sources of jobs with a lost answer whose courses are overdue, so that the next copies can start.

    A partial course that appears later may come from this job or from the next copy of the source. So it is only a
    candidate, which only a person deletes.
    """
    for job in DuplicationJob.objects.blocking_source().filter(state=State.CHECKING, sent_at__isnull=False):
        if course_due_at(job) > timezone.now():
            continue
        try:
            record_event(
                job,
                kind="source_released",
                reason="The new course should have appeared in Moodle by now. The next copy of the same source can "
                "start.",
                guard={"source_released_at": None},
                source_released_at=timezone.now(),
            )
        except StaleJob as moved:
            logger.info("%s", moved)
