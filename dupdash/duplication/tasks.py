"""The tasks that django-q2 runs. The database stays correct if a task runs late, twice at once, or never (rule 1)."""

import logging
import os
import time

from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.engine import checking, follow, recovery, run, verification
from dupdash.duplication.models import ClusterHeartbeat, FinishedSweep
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import database_lock, dispatch
from dupdash.duplication.queue.leases import WORKER_GROUP_VARIABLE
from dupdash.duplication.worker_tables import store_single_row
from dupdash.moodle.errors import ConfigurationFault
from dupdash.telemetry.counters import COUNTERS
from dupdash.telemetry.log_context import logging_context

# Seconds after which a worker takes no further job in the same task: django-q2 kills a task that takes ten minutes
# longer than MOODLE_DUPLICATION_TIMEOUT.
TASK_LONGEST = 300.0
# Seconds after which a sweep sends Moodle no further request, so that the next sweep is not delayed.
MOODLE_LONGEST = 10.0

logger = logging.getLogger("dupdash.tasks")


def run_job(job_id: str) -> None:
    """Run one job, then others that may start; none begins after TASK_LONGEST seconds (queue of the copies cluster)."""
    end = time.monotonic() + TASK_LONGEST
    following: str | None = job_id
    while following is not None:
        try:
            _run_one(following)
        except BaseException:
            dispatch.dispatch()
            raise
        if time.monotonic() >= end:
            dispatch.dispatch()
            return
        following = dispatch.take_next()


def _run_one(job_id: str) -> None:
    # Moodle's log then shows which calls belong to the job.
    with logging_context(request_id=f"job-{job_id}", job_id=job_id):
        try:
            run.run_job(job_id)
        finally:
            COUNTERS.write_if_due()


def sweep(token: str = "") -> None:
    """Do all housekeeping that is due (queue of the housekeeping cluster).

    The work that does not use Moodle comes first, so that a slow Moodle cannot delay it. After that, ``token`` is
    stored: the id that the supervisor gave to this sweep. Then the supervisor may enqueue the next sweep.
    """
    try:
        recovery.recover_expired_leases()
        recovery.release_overdue_sources()
        dispatch.redispatch_stale()
        dispatch.dispatch()
    finally:
        store_single_row(FinishedSweep(token=token, at=timezone.now()))
    with database_lock.try_lock(database_lock.MOODLE) as acquired:
        if acquired:
            _ask_moodle()
            dispatch.dispatch()
    COUNTERS.write_if_due()


def _ask_moodle() -> None:
    deadline = time.monotonic() + MOODLE_LONGEST
    try:
        with open_client() as client:
            moodle_health.probe_if_due(client)
            if checking.check_due_jobs(client, deadline):
                # A comparison must not delay the end of other copies.
                verification.verify_pending(client, deadline, lambda: follow.follow_due_jobs(client, deadline))
    except ConfigurationFault as fault:
        moodle_health.pause(fault)


def heartbeat(sender: str, token: str) -> None:
    """Prove to the supervisors that workers run tasks (queues of both clusters).

    ``sender``: the worker group (the cluster of one host) whose supervisor sent the heartbeat. ``token``: the id of the
    heartbeat. It is stored in the sender's row and shows that the queue works. The time is stored in the row of the
    group that runs this task, perhaps on another host, and shows that this group works.
    """
    here = os.environ.get(WORKER_GROUP_VARIABLE, sender)
    ClusterHeartbeat.objects.filter(worker_group=sender).update(token=token)
    ClusterHeartbeat.objects.filter(worker_group=here).update(at=timezone.now())


def log_site() -> None:
    """Log the site info, and what is wrong with the site or MOODLE_URL (queue of the housekeeping cluster)."""
    moodle_health.log_site_at_start()
