"""Duplicates through the proposed functions of a site: one call starts a copy, another reads its status.

The worker is free as soon as the copy has started. The sweep reads the status of all running copies and ends the jobs
whose copies have ended (``engine.follow``).
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_failed_read
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.progress import backup_share, overall_of_report, progress, start_before_report
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import StaleJob, record_event
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient, StartDetails
from dupdash.moodle.driver_abilities import Driver, abilities
from dupdash.moodle.records import AWAITING, FINISHED_ERR, FINISHED_OK, RESTORE_PHASE, AsyncStatus

logger = logging.getLogger("dupdash.asynchronous")

# The failure code if the site reports only that an id has failed. If the site confuses two ids, the copy still runs.
FAILED_WITHOUT_REASON = "finished_err"


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient, driver: Driver) -> Outcome:
    """Start the copy of a claimed job, and store the id with which the status of the copy can be read."""
    ended = check_and_mark_sent(job, lease, client, driver=driver)
    if ended is not None:
        return ended
    try:
        duplicate_id = call_start(job)
    except errors.MoodleError as error:
        if not may_have_started(error):
            return outcome_of_failed_read(error)
        if not abilities(driver).idempotent_start:
            return outcomes.lost(error)
        return _hand_over(job, lease, error)
    retry_until_database_up(lambda: _store(job, lease, duplicate_id))
    return outcomes.RunsInMoodle()


def call_start(job: DuplicationJob) -> str:
    """Call the start function of the site, and return the id by which the site knows the copy. Raises MoodleError."""
    can = abilities(job.driver)
    with open_async_client() as site:
        return site.async_duplicate_course(
            source_id=job.source_id,
            fullname=job.fullname,
            shortname=job.shortname,
            category_id=job.category_id,
            options=job.options,
            details=_details(job) if can.details else None,
        )


def may_have_started(error: errors.MoodleError) -> bool:
    """Return whether the site may have accepted the start call despite this error.

    A configuration fault without one of Moodle's error codes does not prove that nothing started (rule 3): a proxy may
    have sent it in place of Moodle's answer. An accepted copy may wait in the site's queue, where no lookup shows it.
    """
    may_be_a_proxys = isinstance(error, errors.ConfigurationFault) and not error.errorcode
    return may_be_a_proxys or isinstance(error, errors.MayHaveStarted)


def _hand_over(job: DuplicationJob, lease: Lease, error: errors.MoodleError) -> Outcome:
    """Have the sweep repeat the start call. The idempotency key ensures that this cannot make a second copy."""

    def write() -> None:
        try:
            record_event(
                job,
                kind="start_lost",
                reason=reason_of_lost_start(str(error)),
                guard=lease.guard,
                **columns_without_worker(),
            )
        except StaleJob as moved:
            logger.info("%s", moved)

    retry_until_database_up(write)
    return outcomes.RunsInMoodle()


def reason_of_lost_start(why: str) -> str:
    return f"{why} dupdash repeats the request until Moodle answers. Moodle recognises it and makes only one copy."


def columns_without_worker() -> dict[str, Any]:
    """Return the values of columns with which a running job has no worker, because the sweep follows its copy."""
    soon = timezone.now() + timedelta(seconds=settings.STATUS_INTERVAL)
    return {"lease_owner": "", "lease_until": None, "lease_expired_seen_at": None, "check_at": soon}


def _details(job: DuplicationJob) -> StartDetails:
    """Return the parameters of the start call that only the companion functions take.

    They were stored with the job before sending, because a repeated call must be identical.
    """
    return StartDetails(
        visible=job.visible,
        idempotency_key=job.pk,
        startdate=job.course_settings.get("startdate"),
        enddate=job.course_settings.get("enddate") if job.enddate else None,
        idnumber=job.idnumber,
    )


def record_start(job: DuplicationJob, duplicate_id: str, guard: Mapping[str, Any]) -> None:
    """Record that the site accepted the request, and the id by which it knows the copy.

    ``guard``: as for ``move_job``. Raises StaleJob if another process changed the job.
    """
    record_event(
        job,
        kind="accepted",
        reason="Moodle accepted the request and makes the copy in the background.",
        guard=guard,
        data={"duplicateid": duplicate_id},
        duplicate_id=duplicate_id,
        checks=0,
        **columns_without_worker(),
    )


def _store(job: DuplicationJob, lease: Lease, duplicate_id: str) -> None:
    try:
        record_start(job, duplicate_id, lease.guard)
    except StaleJob:
        # The sweep repeats the start call or looks up the course, so it finds the copy without this id.
        logger.warning("job %s: the site's id %s arrived after the lease was lost", job.pk, duplicate_id)


@dataclass(frozen=True)
class StatusReport:
    """The status report of a site on one copy.

    If the site does not know the id of the copy, ``status`` is None, and ``detail`` is the site's message, or "".
    """

    status: AsyncStatus | None
    detail: str = ""


def read_reports(jobs: Iterable[DuplicationJob]) -> dict[str, StatusReport]:
    """Return the status reports of running copies, keyed by job id.

    A job whose status could not be read has no entry. If the site can report on many copies in one call, one call is
    made, otherwise one for each copy. Raises ConfigurationFault.
    """
    read_together = []
    reports: dict[str, StatusReport] = {}
    with open_async_client() as site:
        for job in jobs:
            if reports_overall_progress(job):
                read_together.append(job)
            else:
                _read_one(site, job, reports)
        if read_together:
            _read_many(site, read_together, reports)
    return reports


def _read_many(site: MoodleClient, jobs: list[DuplicationJob], reports: dict[str, StatusReport]) -> None:
    try:
        statuses = site.async_duplicate_statuses(job.duplicate_id for job in jobs)
    except errors.ConfigurationFault:
        raise
    except errors.Refused:
        # If the site refuses one of the ids, the others are read one by one.
        for job in jobs:
            _read_one(site, job, reports)
    except errors.MoodleError as error:
        logger.info("the status of %d copies could not be read: %s", len(jobs), error)
    else:
        reports |= {job.pk: StatusReport(statuses.by_id.get(job.duplicate_id)) for job in jobs}
        moodle_health.record_cron(statuses.cron_idle_for)


def _read_one(site: MoodleClient, job: DuplicationJob, reports: dict[str, StatusReport]) -> None:
    try:
        reports[job.pk] = StatusReport(site.async_duplicate_status(job.duplicate_id))
    except errors.ConfigurationFault:
        raise
    except errors.Refused as refusal:
        reports[job.pk] = StatusReport(None, refusal.message)
    except errors.MoodleError as error:
        logger.info("job %s: its status could not be read: %s", job.pk, error)


def reports_overall_progress(job: DuplicationJob) -> bool:
    """Return whether the site reports one progress for backup and restore together.

    Such a site also reports on many copies in one call.
    """
    return abilities(job.driver).reports_overall_progress


def is_running(job: DuplicationJob, report: StatusReport) -> bool:
    """Return whether the site reports the copy as running; False for a driver that does not report overall progress.

    A copy that is reported as running is not looked up, because a lookup could break it.
    """
    return (
        reports_overall_progress(job)
        and report.status is not None
        and report.status.status not in (FINISHED_ERR, FINISHED_OK)
    )


def cancel_in_moodle(jobs: Iterable[DuplicationJob]) -> None:
    """Ask the site to stop the copies of cancelled jobs. The sweep repeats this until the copies have ended."""
    unwanted = [
        job for job in jobs if job.cancel_requested_at and job.duplicate_id and abilities(job.driver).stops_copies
    ]
    if not unwanted:
        return
    with open_async_client() as site:
        for job in unwanted:
            try:
                site.async_cancel(job.duplicate_id)
            except errors.MoodleError as error:
                # A copy that cannot be stopped is deleted when it is complete.
                logger.info("job %s: the site did not cancel it: %s", job.pk, error)


def changes_from_report(job: DuplicationJob, status: AsyncStatus, now: datetime | None = None) -> dict[str, Any]:
    """Return the new values of the columns that a status report changes; empty if the report contains nothing new."""
    now = now or timezone.now()
    reported = (status.phase, status.status, status.progress)
    overall = overall_of_report(
        *reported, reports_overall_progress=reports_overall_progress(job), share=backup_share(job)
    )
    changes: dict[str, Any] = {}
    ahead = status.ahead if status.status == AWAITING else None
    if ahead != job.moodle_queue_ahead:
        changes["moodle_queue_ahead"] = ahead
    if status.status != AWAITING and job.moodle_started_at is None:
        changes["moodle_started_at"] = start_before_report(job, overall, now)
    if status.status != AWAITING and (job.reported_at is None or overall > job.reported_progress):
        changes |= {"reported_progress": overall, "reported_at": now}
        changes["progress_floor"] = max(overall, progress(job, now).number)
    if status.phase == RESTORE_PHASE and job.phase != Phase.RESTORE:
        changes["phase"] = Phase.RESTORE
    if status.phase == RESTORE_PHASE and job.restore_at is None:
        changes["restore_at"] = now
        changes["source_released_at"] = job.source_released_at or now
    return changes


def is_finished(report: StatusReport | None) -> bool:
    """Return whether the site reports the copy as complete."""
    return report is not None and report.status is not None and report.status.status == FINISHED_OK
