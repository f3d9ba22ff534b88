"""Runs one job: claims it, chooses and runs the driver, and confirms the copy after the slot was freed."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread

from django.db import connection

from dupdash.duplication import driver_choice, moodle_health
from dupdash.duplication.drivers import asynchronous, outcomes, synchronous
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import outcome_of_failed_read
from dupdash.duplication.engine.outcome_recorder import record_outcome
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease, claim
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import ABILITIES
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import SiteInfo

logger = logging.getLogger("dupdash.engine")


def run_job(job_id: str) -> None:
    """Claim a job and have Moodle make the copy. Does nothing if the job cannot be claimed.

    Returns as soon as the slot of the job is free. If Moodle answered, a thread then confirms the copy that the answer
    names, and holds the lease until the job has ended.
    """
    lease = claim(job_id)
    if lease is None:
        return
    with ExitStack() as lease_renewal:
        lease_renewal.enter_context(lease.renewed())
        job = DuplicationJob.objects.get(pk=job_id)
        outcome = _attempt(job, lease)
        if isinstance(outcome, outcomes.Answered):
            Thread(
                target=_record_later,
                args=(job, lease, lambda: outcome, lease_renewal.pop_all()),
                name=f"confirmation-{job.pk}",
                # A process that ends normally waits for this thread.
                daemon=False,
            ).start()
            return
        retry_until_database_up(lambda: record_outcome(job, lease, outcome))
    if isinstance(outcome, outcomes.LeaseLost) and outcome.late_outcome is not None:
        # A thread waits for the answer, which still counts, so that this worker can run other jobs.
        Thread(
            target=_record_later,
            args=(job, lease, outcome.late_outcome, ExitStack()),
            name=f"late-answer-{job.pk}",
            daemon=True,
        ).start()


def _record_later(job: DuplicationJob, lease: Lease, outcome: Callable[[], Outcome], held: ExitStack) -> None:
    """Record the outcome that ``outcome`` returns. It may wait for Moodle, so this runs in a thread of its own.

    ``held``: the renewal of the lease, which ends afterwards. If recording fails, the sweep checks the job.
    """
    try:
        with held:
            found = outcome()
            retry_until_database_up(lambda: record_outcome(job, lease, found))
    except Exception:
        logger.exception("job %s: its outcome could not be recorded", job.pk)
    finally:
        connection.close()


def _attempt(job: DuplicationJob, lease: Lease) -> Outcome:
    try:
        with open_client() as client:
            try:
                site = moodle_health.recent_site(client)
            except MoodleError as error:
                # Any error of this call affects every job.
                return outcomes.SiteUnavailable(error)
            outcome = _drive(job, lease, client, site)
            if isinstance(outcome, outcomes.NothingStarted):
                fault = moodle_health.fault_of_site(client, outcome.error)
                return outcomes.SiteUnavailable(fault) if fault else outcome
            return outcome
    except MoodleError as error:
        return outcome_of_failed_read(error)
    except Exception:
        # A bug in dupdash. The job's row says whether the request was sent.
        logger.exception("job %s: the driver failed", job.pk)
        return outcomes.AnswerLost("dupdash itself failed; the log of the worker has the details")


def _drive(job: DuplicationJob, lease: Lease, client: MoodleClient, site: SiteInfo) -> Outcome:
    site_driver = driver_choice.choose_driver(site)
    driver = driver_choice.driver_for_copy(site_driver, visible=job.visible)
    if driver != site_driver and site.lacks(driver_choice.DUPLICATE):
        return outcomes.Refused(
            "hidden_copy_not_possible",
            f"dupdash’s token may not call {driver_choice.DUPLICATE}, which hidden copies need.",
        )
    if ABILITIES[driver].runs_in_background:
        return asynchronous.duplicate(job, lease, client, driver)
    return synchronous.duplicate(job, lease, client)
