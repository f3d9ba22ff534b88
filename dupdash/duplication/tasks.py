"""What django-q2 calls, a few lines each: it carries ids, and every task may come twice, late or never."""

import logging

from django.utils import timezone

from dupdash.duplication import dispatch, engine, health, recovery
from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.site import open_client
from dupdash.moodle.errors import ConfigurationFault

SWEEP = "sweep"

logger = logging.getLogger("dupdash.tasks")


def run_job(job_id: str) -> None:
    """Copies' queue: one job, from claimed to settled; then the next in line gets its slot."""
    try:
        engine.run(job_id)
    finally:
        dispatch.dispatch()


def sweep(token: str = "") -> None:
    """Housekeeping's queue: everything that is due, whoever forgot it. ``token``: for the supervisor, which waits for
    one sweep to begin before it asks for the next."""
    heartbeat(SWEEP, token)
    recovery.recover_dead_leases()
    try:
        with open_client() as client:
            health.probe_if_due(client)
            recovery.check_what_is_due(client)
            recovery.verify_what_was_not(client)
    except ConfigurationFault as fault:
        health.pause(fault)
    dispatch.retell()
    dispatch.dispatch()


def heartbeat(cluster: str, token: str) -> None:
    """Either queue: the supervisor's evidence that tasks come out of it."""
    ClusterHeartbeat.objects.update_or_create(cluster=cluster, defaults={"token": token, "at": timezone.now()})
