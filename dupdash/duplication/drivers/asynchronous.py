"""Duplicating through the proposed asynchronous services, where a site has them: one call starts, another follows.

The worker that starts a copy is free at once. Housekeeping reads the status of every running copy, and concludes those
that ended (``engine.follow``).
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_tracker import CopyEvidence, apply_observation
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy_after_sending,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    safe_names,
)
from dupdash.duplication.drivers.names import same_name
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_read
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.moodle_health import FOLLOW_MANY, ask_site
from dupdash.duplication.progress import RESTORE_PHASE, overall_of_report
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, record_event
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import ASYNCHRONOUS
from dupdash.moodle.records import AsyncStatus

logger = logging.getLogger("dupdash.native")

# Moodle's codes backup::STATUS_FINISHED_ERR and backup::STATUS_FINISHED_OK.
FINISHED_ERR = 900
FINISHED_OK = 1000
# A failure that a site tells of an id alone: where it took one duplication for another, ours goes on.
FAILED_BY_ITS_ID = "finished_err"
ENDED_WITHOUT_A_COPY = (State.FAILED, State.CANCELLED, State.REJECTED)


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient) -> Outcome:
    """Start the copy of a claimed job, once, and store its id before anything else is done with it."""
    try:
        with open_async_client() as site:
            of_the_whole = ask_site(site).offers(FOLLOW_MANY)
        refusal = check_and_mark_sent(job, lease, client, driver=ASYNCHRONOUS)
        if refusal is not None:
            return refusal
    except errors.MoodleError as error:
        return outcome_of_read(error)
    except JobMovedOn:
        return outcomes.LeaseLost()
    except IntegrityError:
        return outcomes.SourceIsBusy()
    try:
        with open_async_client() as site:
            duplicate_id = site.async_duplicate_course(
                source_id=job.source_id,
                fullname=job.fullname,
                shortname=job.shortname,
                category_id=job.category_id,
                options=job.options,
            )
    except errors.NoTrustworthyAnswer as lost:
        return outcomes.AnswerLost(lost.detail)
    except errors.UnknownRefusal as refused:
        return outcomes.AnswerLost(refused.message, refused.errorcode or "error", refused.words)
    except errors.MoodleError as error:
        if isinstance(error, errors.ConfigurationFault) and not error.errorcode:
            # No words of Moodle's own, so no proof (rule 3): something on the way may have taken their place, and what
            # the site accepted waits in a queue, where nobody sees it.
            return outcomes.AnswerLost(error.message.rstrip("."))
        return outcome_of_read(error)
    retry_until_database_up(lambda: _store(job, lease, duplicate_id, of_the_whole))
    return outcomes.RunsInMoodle()


def _store(job: DuplicationJob, lease: Lease, duplicate_id: str, of_the_whole: bool) -> None:
    try:
        record_event(
            job,
            kind="accepted",
            reason="The site accepted the request and works on it by itself.",
            guard=lease.guard,
            data={"duplicateid": duplicate_id},
            duplicate_id=duplicate_id,
            baseline={**(job.baseline or {}), "of_the_whole": of_the_whole},
            lease_owner="",
            lease_until=None,
            check_at=timezone.now() + timedelta(seconds=settings.STATUS_INTERVAL),
        )
    except JobMovedOn:
        # It is being looked up by now; the course will be found, with or without this id.
        logger.warning("job %s: the site's id %s came after the lease was lost", job.pk, duplicate_id)


@dataclass(frozen=True)
class Report:
    """What the site says of one duplication. ``status`` is None where the site does not know its id."""

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
        reports |= {job.pk: Report(statuses.get(job.duplicate_id)) for job in jobs}


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
    return bool((job.baseline or {}).get("of_the_whole"))


def is_running(job: DuplicationJob, report: Report) -> bool:
    """Whether the report is all there is to know of this copy for now. No course is looked up then: a request that
    touches a course while it is restored can break its restore."""
    return (
        reports_the_whole(job) and report.status is not None and report.status.status not in (FINISHED_ERR, FINISHED_OK)
    )


def changes_from_report(job: DuplicationJob, status: AsyncStatus) -> dict[str, Any]:
    """The columns of a job that change with a report; empty where it says nothing new."""
    overall = overall_of_report(status.phase, status.status, status.progress, of_the_whole=reports_the_whole(job))
    changes: dict[str, Any] = {}
    if overall > job.progress_floor:
        changes["progress_floor"] = overall
    if status.phase == RESTORE_PHASE and job.phase != Phase.RESTORE:
        changes["phase"] = Phase.RESTORE
    if status.phase == RESTORE_PHASE and job.restore_at is None:
        changes["restore_at"] = timezone.now()
        changes["source_released_at"] = job.source_released_at or timezone.now()
    return changes


def conclude(job: DuplicationJob, report: Report, client: MoodleClient) -> Outcome | None:
    """What a report means for its job, compared with the course in Moodle. None: the copy is not finished.

    Raises JobMovedOn where somebody else moved the job, and ConfigurationFault. A site that does not answer is asked
    again later.
    """
    status = report.status
    if status is None:
        return _forgotten(job, report.detail)
    try:
        if status.status == FINISHED_ERR and (failure := _failure(job)) is not None:
            return failure
        evidence = _look(job, client, done=status.status == FINISHED_OK)
    except errors.ConfigurationFault:
        raise
    except errors.MoodleError as error:
        logger.info("job %s: the site could not be asked: %s", job.pk, error)
        return None
    done = status.status == FINISHED_OK
    # Such a lookup costs several requests for each copy.
    next_at = timezone.now() + timedelta(seconds=max(settings.FOLLOW_INTERVAL, settings.STATUS_INTERVAL))
    record_evidence(job, evidence, **changes_from_report(job, status), check_at=next_at)
    if evidence.is_there_complete and evidence.course_id is not None and done:
        return outcomes.Finished(evidence.course_id)
    if done and evidence.course_id is None:
        return outcomes.AnswerLost("the site says that the copy is done, and no such course is seen")
    return None


def _forgotten(job: DuplicationJob, detail: str) -> Outcome:
    words = f" ({detail})" if detail else ""
    return outcomes.AnswerLost(f"the site knows nothing of {job.duplicate_id} any more{words}")


def _failure(job: DuplicationJob) -> Outcome | None:
    """The failure that the site reports; None where its own result contradicts the status."""
    if not reports_the_whole(job):
        return outcomes.AnswerLost("the site says that the copy failed", FAILED_BY_ITS_ID)
    # Such a site can say why, and of which copy it speaks.
    try:
        with open_async_client() as site:
            result = site.async_duplicate_result(job.duplicate_id)
    except errors.ConfigurationFault:
        raise
    except errors.Refused as refusal:
        return _forgotten(job, refusal.message)
    if result.state not in ENDED_WITHOUT_A_COPY or not same_name(result.shortname, job.shortname):
        return None
    why = f": {result.failuremessage}" if result.failuremessage else ""
    return outcomes.AnswerLost(f"the site says that the copy failed{why}", result.failurecode or FAILED_BY_ITS_ID)


def _look(job: DuplicationJob, client: MoodleClient, *, done: bool) -> CopyEvidence:
    """``done``: the site has ended its work. Before that nothing looks for the requested short name: that could break
    the copy."""
    evidence, expected = evidence_of(job), expected_copy_after_sending(job)
    names = safe_names(job, most_likely_temporary_name(job))
    observation = observe_copy(client, evidence, expected, names=names, requested_name=done)
    return apply_observation(evidence, expected, observation)
