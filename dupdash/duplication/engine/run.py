"""Runs one job: claims it, chooses the driver, lets it work, and confirms the copy without holding the slot."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from django.db import connection

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous, outcomes, synchronous
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import outcome_of_read
from dupdash.duplication.engine.outcome_recorder import record_outcome
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease, claim
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.options import ABILITIES
from dupdash.moodle.records import SiteInfo

logger = logging.getLogger("dupdash.engine")


def run_job(job_id: str) -> None:
    """Claim a job and have Moodle copy. Does nothing where there is nothing to claim.

    Returns when the slot is free. A thread then confirms the copy that Moodle's answer names; it holds the lease until
    the job has ended.
    """
    lease = claim(job_id)
    if lease is None:
        return
    with ExitStack() as lease_renewal:
        lease_renewal.enter_context(lease.kept())
        job = DuplicationJob.objects.get(pk=job_id)
        outcome = _attempt(job, lease)
        if isinstance(outcome, outcomes.Answered):
            ConfirmationThread(job, lease, outcome, lease_renewal.pop_all()).start()
            return
        retry_until_database_up(lambda: record_outcome(job, lease, outcome))
    if isinstance(outcome, outcomes.LeaseLost) and outcome.late_outcome is not None:
        # This worker is free for others; a worker that waits without a lease would look like a dead one.
        LateAnswerThread(job, lease, outcome.late_outcome).start()


class ConfirmationThread(threading.Thread):
    """Confirms and verifies the copy that Moodle's answer names. A process that ends in order waits for this thread;
    after a crash the sweep does its work."""

    def __init__(self, job: DuplicationJob, lease: Lease, outcome: Outcome, lease_renewal: ExitStack) -> None:
        super().__init__(name=f"confirmation-{job.pk}", daemon=False)
        self._job = job
        self._lease = lease
        self._outcome = outcome
        self._lease_renewal = lease_renewal

    def run(self) -> None:
        try:
            with self._lease_renewal:
                retry_until_database_up(lambda: record_outcome(self._job, self._lease, self._outcome))
        except Exception:
            # The lease expires, and the sweep confirms the copy.
            logger.exception("job %s: its copy could not be confirmed", self._job.pk)
        finally:
            connection.close()


class LateAnswerThread(threading.Thread):
    """Waits for Moodle's answer to the request of a job that the sweep checks by now: the answer still counts."""

    def __init__(self, job: DuplicationJob, lease: Lease, late_outcome: Callable[[], Outcome]) -> None:
        super().__init__(name=f"late-answer-{job.pk}", daemon=True)
        self._job = job
        self._lease = lease
        self._late_outcome = late_outcome

    def run(self) -> None:
        try:
            outcome = self._late_outcome()
            retry_until_database_up(lambda: record_outcome(self._job, self._lease, outcome))
        except Exception:
            # Nothing is lost with it: the sweep checks the job.
            logger.exception("job %s: its late answer could not be recorded", self._job.pk)
        finally:
            connection.close()


def _attempt(job: DuplicationJob, lease: Lease) -> Outcome:
    try:
        with open_client() as client:
            try:
                site = moodle_health.recent_site(client)
            except MoodleError as error:
                # The site was asked about nothing but itself: whatever this error is, it affects every job.
                return outcomes.SiteUnavailable(error)
            outcome = _drive(job, lease, client, site)
            if isinstance(outcome, outcomes.NothingStarted):
                fault = moodle_health.fault_of_site(client, outcome.error)
                return outcomes.SiteUnavailable(fault) if fault else outcome
            return outcome
    except MoodleError as error:
        return outcome_of_read(error)
    except Exception:
        # A fault of dupdash. Whether the request was sent is in the row, not in this stack.
        logger.exception("job %s: the driver broke", job.pk)
        return outcomes.AnswerLost("a fault in dupdash itself; the log of the worker says more")


def _drive(job: DuplicationJob, lease: Lease, client: MoodleClient, site: SiteInfo) -> Outcome:
    site_driver = moodle_health.choose_driver(site)
    driver = moodle_health.driver_for_copy(site_driver, visible=job.visible)
    if driver != site_driver and site.lacks(moodle_health.DUPLICATE):
        return outcomes.Refused("invalidparameter", "This site's service makes visible copies only.")
    if ABILITIES[driver].works_by_itself:
        return asynchronous.duplicate(job, lease, client, driver)
    return synchronous.duplicate(job, lease, client)
