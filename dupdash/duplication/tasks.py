"""What django-q2 calls, a few lines each: it carries ids, and every task may come twice, late or never."""

import logging
import time

from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.engine import recovery, run, verification
from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import database_lock, dispatch
from dupdash.moodle.errors import ConfigurationFault

SWEEP = "sweep"
# Seconds after which one sweep asks Moodle nothing more: others want their turn.
ASKING_MOST = 10.0

logger = logging.getLogger("dupdash.tasks")


def run_job(job_id: str) -> None:
    """Copies' queue: one job, from claimed to settled; then the next in line gets its slot."""
    try:
        run.run_job(job_id)
    finally:
        dispatch.dispatch()


def sweep(token: str = "") -> None:
    """Housekeeping's queue: everything that is due, whoever forgot it.

    What needs the database alone comes first: no Moodle holds it up. ``token``: for the supervisor, which waits for
    that part to end before it asks for the next sweep.
    """
    try:
        recovery.recover_dead_leases()
        dispatch.redispatch_stale()
        dispatch.dispatch()
    finally:
        heartbeat(SWEEP, token)
    with database_lock.try_lock(database_lock.MOODLE) as ours:
        if ours:
            _ask_moodle()
            dispatch.dispatch()


def _ask_moodle() -> None:
    deadline = time.monotonic() + ASKING_MOST
    try:
        with open_client() as client:
            moodle_health.probe_if_due(client)
            if recovery.check_due_jobs(client, deadline):
                verification.verify_pending(client, deadline)
    except ConfigurationFault as fault:
        moodle_health.pause(fault)


def heartbeat(cluster: str, token: str) -> None:
    """Either queue: the supervisor's evidence that tasks come out of it."""
    ClusterHeartbeat.objects.update_or_create(cluster=cluster, defaults={"token": token, "at": timezone.now()})
