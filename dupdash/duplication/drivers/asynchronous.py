"""Duplicating through the proposed asynchronous services, where a site has them: one call starts, another follows.

The worker that starts a copy is free at once. Housekeeping reads the status of every running copy, and concludes those
that ended (``engine.follow``).
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_read
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.progress import RESTORE_PHASE, backup_share, overall_of_report
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, record_event
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient, StartDetails
from dupdash.moodle.options import Driver, abilities
from dupdash.moodle.records import AsyncStatus

logger = logging.getLogger("dupdash.native")

# Moodle's codes backup::STATUS_AWAITING, backup::STATUS_FINISHED_ERR and backup::STATUS_FINISHED_OK.
AWAITING = 700
FINISHED_ERR = 900
FINISHED_OK = 1000
# A failure that a site reports for an id alone. If the site confuses two duplications, ours still runs.
FAILED_BY_ITS_ID = "finished_err"
ENDED_WITHOUT_A_COPY = (State.FAILED, State.CANCELLED, State.REJECTED)


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient, driver: Driver) -> Outcome:
    """Start the copy of a claimed job, and store its id before anything else is done with it."""
    try:
        refusal = check_and_mark_sent(job, lease, client, driver=driver)
        if refusal is not None:
            return refusal
    except errors.MoodleError as error:
        return outcome_of_read(error)
    except StaleJob:
        return outcomes.LeaseLost()
    except IntegrityError:
        return outcomes.SourceIsBusy()
    try:
        duplicate_id = call_start(job)
    except errors.MoodleError as error:
        if not may_have_started(error):
            return outcome_of_read(error)
        if not abilities(driver).repeatable:
            return _answer_lost(error)
        return _hand_over(job, lease, error)
    retry_until_database_up(lambda: _store(job, lease, duplicate_id))
    return outcomes.RunsInMoodle()


def call_start(job: DuplicationJob) -> str:
    """Call the start function of the site. Raises MoodleError."""
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
    """Whether the site may have accepted the start call although this error came.

    A fault of the configuration without words of Moodle's own is no proof (rule 3): something on the way may have taken
    their place, and what the site accepted waits in a queue, where nobody sees it.
    """
    by_the_way = isinstance(error, errors.ConfigurationFault) and not error.errorcode
    return by_the_way or isinstance(error, errors.MayHaveStarted)


def _answer_lost(error: errors.MoodleError) -> Outcome:
    match error:
        case errors.NoTrustworthyAnswer():
            return outcomes.AnswerLost(error.detail)
        case errors.UnknownRefusal():
            return outcomes.AnswerLost(error.message, error.errorcode or "error", error.words)
    return outcomes.AnswerLost(error.message.rstrip("."))


def _hand_over(job: DuplicationJob, lease: Lease, error: errors.MoodleError) -> Outcome:
    """Let the sweep repeat the start call, which cannot make a second copy; this worker is free."""

    def write() -> None:
        try:
            record_event(job, kind="start_lost", reason=start_lost(str(error)), guard=lease.guard, **repeated_soon())
        except StaleJob as moved:
            logger.info("%s", moved)

    retry_until_database_up(write)
    return outcomes.RunsInMoodle()


def start_lost(why: str) -> str:
    return f"{why} The start call is repeated until it is answered: the site makes no second copy of it."


def repeated_soon() -> dict[str, Any]:
    """The columns of a job without a worker whose start call is repeated."""
    soon = timezone.now() + timedelta(seconds=settings.STATUS_INTERVAL)
    return {"lease_owner": "", "lease_until": None, "lease_expired_seen_at": None, "check_at": soon}


def _details(job: DuplicationJob) -> StartDetails:
    """What was committed with "sent": a repeated call must ask for the same."""
    return StartDetails(
        visible=job.visible,
        idempotency_key=job.pk,
        startdate=job.course_settings.get("startdate"),
        enddate=job.course_settings.get("enddate") if job.enddate else None,
        idnumber=job.idnumber,
    )


def record_start(job: DuplicationJob, duplicate_id: str, guard: Mapping[str, Any]) -> None:
    """The site accepted the request. Raises StaleJob."""
    record_event(
        job,
        kind="accepted",
        reason="The site accepted the request and works on it by itself.",
        guard=guard,
        data={"duplicateid": duplicate_id},
        duplicate_id=duplicate_id,
        checks=0,
        **repeated_soon(),
    )


def _store(job: DuplicationJob, lease: Lease, duplicate_id: str) -> None:
    try:
        record_start(job, duplicate_id, lease.guard)
    except StaleJob:
        # The start call is repeated by now, or its course is looked up: it will be found, with or without this id.
        logger.warning("job %s: the site's id %s came after the lease was lost", job.pk, duplicate_id)


@dataclass(frozen=True)
class Report:
    """The status that the site reports for one duplication; ``status`` is None where the site does not know its id."""

    status: AsyncStatus | None
    detail: str = ""


def read_reports(jobs: Iterable[DuplicationJob]) -> dict[str, Report]:
    """Ask the site how far some running copies are: one call for all where the site offers it, else one for each.

    Returns reports by job id; a job that the site could not be asked about has none. Raises ConfigurationFault.
    """
    asked_together = []
    reports: dict[str, Report] = {}
    with open_async_client() as site:
        for job in jobs:
            if reports_the_whole(job):
                asked_together.append(job)
            else:
                _read_one(site, job, reports)
        if asked_together:
            _read_many(site, asked_together, reports)
    return reports


def _read_many(site: MoodleClient, jobs: list[DuplicationJob], reports: dict[str, Report]) -> None:
    try:
        statuses = site.async_duplicate_statuses(job.duplicate_id for job in jobs)
    except errors.ConfigurationFault:
        raise
    except errors.Refused:
        # One id that the site does not accept must not hide the others.
        for job in jobs:
            _read_one(site, job, reports)
    except errors.MoodleError as error:
        logger.info("the status of %d copies could not be read: %s", len(jobs), error)
    else:
        reports |= {job.pk: Report(statuses.by_id.get(job.duplicate_id)) for job in jobs}
        moodle_health.record_cron(statuses.cron_idle_for)


def _read_one(site: MoodleClient, job: DuplicationJob, reports: dict[str, Report]) -> None:
    try:
        reports[job.pk] = Report(site.async_duplicate_status(job.duplicate_id))
    except errors.ConfigurationFault:
        raise
    except errors.Refused as refusal:
        reports[job.pk] = Report(None, refusal.message)
    except errors.MoodleError as error:
        logger.info("job %s: its status could not be read: %s", job.pk, error)


def reports_the_whole(job: DuplicationJob) -> bool:
    """Whether the site reports the progress of the whole duplication, and answers for many copies in one call."""
    return abilities(job.driver).of_the_whole


def is_running(job: DuplicationJob, report: Report) -> bool:
    """Whether the site reports the copy as running. No course is looked up then: a lookup of a course that is being
    restored can break the restore."""
    return (
        reports_the_whole(job) and report.status is not None and report.status.status not in (FINISHED_ERR, FINISHED_OK)
    )


def cancel_in_moodle(jobs: Iterable[DuplicationJob]) -> None:
    """Have the site stop copies that nobody wants any more; it is asked at each report until they have ended."""
    unwanted = [job for job in jobs if job.cancel_requested_at and job.duplicate_id and reports_the_whole(job)]
    if not unwanted:
        return
    with open_async_client() as site:
        for job in unwanted:
            try:
                site.async_cancel(job.duplicate_id)
            except errors.MoodleError as error:
                # A copy that cannot be stopped is removed when it is done.
                logger.info("job %s: the site did not cancel it: %s", job.pk, error)


def changes_from_report(job: DuplicationJob, status: AsyncStatus) -> dict[str, Any]:
    """The columns of a job that change with a report; empty where it says nothing new."""
    reported = (status.phase, status.status, status.progress)
    overall = overall_of_report(*reported, of_the_whole=reports_the_whole(job), share=backup_share(job))
    changes: dict[str, Any] = {}
    ahead = status.ahead if status.status == AWAITING else None
    if ahead != job.moodle_queue_ahead:
        changes["moodle_queue_ahead"] = ahead
    if status.status != AWAITING and job.moodle_started_at is None:
        changes["moodle_started_at"] = timezone.now()
    if overall > job.progress_floor:
        changes["progress_floor"] = overall
    if status.phase == RESTORE_PHASE and job.phase != Phase.RESTORE:
        changes["phase"] = Phase.RESTORE
    if status.phase == RESTORE_PHASE and job.restore_at is None:
        changes["restore_at"] = timezone.now()
        changes["source_released_at"] = job.source_released_at or timezone.now()
    return changes


def is_finished(report: Report | None) -> bool:
    """Whether the site says that the copy is complete."""
    return report is not None and report.status is not None and report.status.status == FINISHED_OK
