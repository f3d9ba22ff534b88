"""Follows the copies that a site makes in the background: reads their status, and ends the jobs of finished copies."""

import contextlib
import logging
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.client_pool import ClientPool
from dupdash.duplication.course_settings import sets_after_copy
from dupdash.duplication.drivers import asynchronous, conclusion, outcomes
from dupdash.duplication.drivers.asynchronous import StatusReport
from dupdash.duplication.drivers.copy_evidence import CopyEvidence
from dupdash.duplication.drivers.copy_verdict import apply_observation
from dupdash.duplication.drivers.lookup import changes_from_evidence, evidence_of, expected_copy_after_sending
from dupdash.duplication.engine import deadlines
from dupdash.duplication.engine.confirmation import EndedCopy, read_ended_copy
from dupdash.duplication.engine.job_endings import fail, finish, start_checking, succeed
from dupdash.duplication.engine.repeat_start import repeat_starts
from dupdash.duplication.engine.verification import lacks_most
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError

logger = logging.getLogger("dupdash.follow")

# The number of threads that read finished copies.
READERS_MOST = 8

STARTED = Q(state=State.RUNNING) & ~Q(duplicate_id="")
# The answer to the start call was lost, and no worker has the job. The sweep repeats the call.
UNANSWERED = Q(state=State.RUNNING, duplicate_id="", lease_owner="", sent_at__isnull=False)
FOLLOWED = STARTED | UNANSWERED


def follow_due_jobs(client: MoodleClient, deadline: float) -> bool:
    """Read the status of the copies in the background whose next reading is due, and act on it.

    ``deadline``: a time of the monotonic clock. Returns False if time ran out, or after a configuration fault, which
    pauses dispatch.
    """
    jobs = _claim_due_jobs()
    if not jobs:
        return True
    fault: ConfigurationFault | None = None
    reports: dict[str, StatusReport] = {}
    started = [job for job in jobs if job.duplicate_id]
    try:
        repeat_starts([job for job in jobs if not job.duplicate_id], deadline)
        asynchronous.cancel_in_moodle(started)
        reports = asynchronous.read_reports(started)
    except ConfigurationFault as refused:
        fault = refused
    running = [job for job in jobs if job.pk in reports and asynchronous.is_running(job, reports[job.pk])]
    _record_running(running, reports)
    done = [job for job in started if asynchronous.is_finished(reports.get(job.pk))]
    _free_slots(done)
    # A site with the plugin, or another dupdash, returns a result that names the course. It is read for each job below.
    finished = [job for job in done if not asynchronous.reports_overall_progress(job)]
    fault = _end_finished(finished, client, deadline) or fault
    running_ids, finished_ids = ({job.pk for job in some} for some in (running, finished))
    for job in jobs:
        if time.monotonic() > deadline:
            return False
        if job.pk in finished_ids:
            continue
        try:
            # The copy of a late job is checked in Moodle, whatever the site reports.
            if job.duplicate_id and (job.pk not in running_ids or _is_late(job)):
                _act_on_report(job, reports.get(job.pk), client)
        except ConfigurationFault as refused:
            fault = refused
        except (MoodleError, StaleJob) as passing:
            logger.info("job %s: %s", job.pk, passing)
    if fault is not None:
        moodle_health.pause(fault)
    return fault is None


def _end_finished(jobs: list[DuplicationJob], client: MoodleClient, deadline: float) -> ConfigurationFault | None:
    """Confirm the copies that the site reports as complete, and end the jobs whose copies are confirmed.

    Threads read the copies, and one transaction ends the jobs that need no further request: one by one, a hundred jobs
    would take ten seconds. The others are handled one by one.
    Returns the last configuration fault; None if there was none.
    """
    if not jobs:
        return None
    evidence = {job.pk: (evidence_of(job), expected_copy_after_sending(job)) for job in jobs}

    def read(job: DuplicationJob) -> EndedCopy | MoodleError | None:
        if time.monotonic() > deadline:
            return None
        try:
            with clients.borrow() as reader:
                return read_ended_copy(job, reader, *evidence[job.pk])
        except MoodleError as error:
            return error

    with ClientPool(open_client) as clients, ThreadPoolExecutor(READERS_MOST) as threads:
        copies = dict(zip((job.pk for job in jobs), threads.map(read, jobs), strict=True))
    fault: ConfigurationFault | None = None
    single: list[tuple[DuplicationJob, EndedCopy]] = []
    with transaction.atomic():
        for job in jobs:
            copy = copies[job.pk]
            if isinstance(copy, ConfigurationFault):
                fault = copy
            elif isinstance(copy, MoodleError):
                logger.info("job %s: its copy could not be read: %s", job.pk, copy)
            elif copy is not None and not _succeed_at_once(job, copy):
                single.append((job, copy))
    for job, copy in single:
        try:
            _end_finished_job(job, copy, client)
        except (MoodleError, StaleJob) as passing:
            logger.info("job %s: %s", job.pk, passing)
    return fault


def _free_slots(jobs: Collection[DuplicationJob]) -> None:
    """Free the slots of jobs whose copies the site reports as complete, before these copies are confirmed."""
    if not jobs:
        return
    now = timezone.now()
    with transaction.atomic():
        for job in jobs:
            if job.moodle_done_at is None:
                with contextlib.suppress(StaleJob):
                    update_job(job, moodle_done_at=now, source_released_at=job.source_released_at or now)
    dispatch.dispatch()


def _apply(job: DuplicationJob, copy: EndedCopy) -> CopyEvidence:
    return apply_observation(evidence_of(job), expected_copy_after_sending(job), copy.observation)


def _is_confirmed(evidence: CopyEvidence, copy: EndedCopy) -> bool:
    """Return whether the copy has the requested names and contents, or is visible and as empty as its source.

    A restore begins with a hidden, empty course with the requested names, so such a course proves nothing.
    """
    own = evidence.own
    if own is None or own.id != evidence.course_id or own.missing:
        return False
    as_source = copy.report is not None and copy.report["complete"]
    return evidence.is_complete_in_moodle or bool(own.visible and as_source)


def _succeed_at_once(job: DuplicationJob, copy: EndedCopy) -> bool:
    """End a job as succeeded without another request to Moodle, if its copy is confirmed and compared.

    Returns False if the job needs more requests to Moodle.
    """
    evidence = _apply(job, copy)
    report, course_id = copy.report, evidence.course_id
    if job.cancel_requested_at is not None or report is None or course_id is None or lacks_most(report):
        return False
    if sets_after_copy(job):
        return False
    if not _is_confirmed(evidence, copy):
        return False
    try:
        guard = {"cancel_requested_at__isnull": True}
        succeed(job, course_id, report, guard=guard, **changes_from_evidence(evidence, job))
    except StaleJob as moved:
        logger.info("%s", moved)
    return True


def _end_finished_job(job: DuplicationJob, copy: EndedCopy, client: MoodleClient) -> None:
    evidence = _apply(job, copy)
    changes = changes_from_evidence(evidence, job)
    if evidence.course_id is None:
        lost = "Moodle reports that the copy is complete, but no course with the requested names was found."
        start_checking(job, lost, **changes)
    elif _is_confirmed(evidence, copy):
        finish(job, evidence.course_id, client, report=copy.report, **changes)
    elif _is_late(job):
        start_checking(job, "Moodle reports that the copy is complete, but the course is not complete.", **changes)
    else:
        update_job(job, **changes)


def _claim_due_jobs() -> list[DuplicationJob]:
    """Return the followed jobs whose status must be read now, and set the time of the next reading.

    The job that has waited longest is first. If two sweeps run at the same time, only one of them gets a job.
    """
    now = timezone.now()
    due = DuplicationJob.objects.filter(FOLLOWED, check_at__lte=now)
    ids = list(due.order_by("check_at").values_list("pk", flat=True))
    if not ids:
        return []
    next_at = now + timedelta(seconds=settings.STATUS_INTERVAL)
    due.update(check_at=next_at)
    claimed = DuplicationJob.objects.filter(FOLLOWED, check_at=next_at).in_bulk(ids)
    return [claimed[id] for id in ids if id in claimed]


def _record_running(jobs: Iterable[DuplicationJob], reports: dict[str, StatusReport]) -> None:
    """Store the progress of running copies, in one transaction: a hundred separate commits would take a second."""
    with transaction.atomic():
        for job in jobs:
            status = reports[job.pk].status
            changes = asynchronous.changes_from_report(job, status) if status is not None else {}
            if job.moodle_done_at is not None:
                # The site reported the copy as complete before, and no longer does.
                changes["moodle_done_at"] = None
            try:
                update_job(job, last_response_at=timezone.now(), **changes)
            except StaleJob as moved:
                logger.info("%s", moved)


def _is_late(job: DuplicationJob) -> bool:
    """Return whether the copy should have ended by now. A copy that waits in Moodle's queue is never late."""
    return job.moodle_queue_ahead is None and timezone.now() >= deadlines.checking_deadline(job)


def _act_on_report(job: DuplicationJob, report: StatusReport | None, client: MoodleClient) -> None:
    late = _is_late(job)
    outcome: outcomes.Outcome | None = None
    try:
        if report is not None and not asynchronous.is_running(job, report):
            outcome = conclusion.conclude(job, report, client)
    except ConfigurationFault:
        if not late:
            raise
    match outcome:
        case outcomes.Finished(course_id):
            _finish(job, course_id, client)
        case outcomes.AnswerLost(detail, errorcode):
            done = errorcode not in ("", asynchronous.FAILED_WITHOUT_REASON)
            reason = f"Moodle's report does not show whether the copy was made: {detail}."
            start_checking(job, reason, errorcode=errorcode, done=done)
        case outcomes.FailedInMoodle() as failure:
            _fail(job, failure)
        case outcomes.CancelledInMoodle():
            reason = "Moodle stopped the copy and deleted the new course."
            move_job(job, State.CANCELLED, kind="cancelled", reason=reason)
        case None if late:
            # The process on the site may have died, and its status will never change.
            start_checking(job, "Moodle should have finished the copy long ago.")
        case None if report is not None:
            # The site answered, but has no result yet.
            update_job(job, last_response_at=timezone.now())


def _finish(job: DuplicationJob, course_id: int, client: MoodleClient) -> None:
    """End a job whose copy the site reports as complete.

    With the plugin's report the job succeeds now, and ``verify_pending`` compares the copy later: a comparison would
    delay the other finished copies of this sweep. Without a report, ``finish`` compares the copy now, because the
    comparison decides whether the job succeeds. The copy of a cancelled job is deleted.
    """
    if job.moodle_report is None or job.cancel_requested_at is not None:
        finish(job, course_id, client)
    else:
        succeed(job, course_id, None, guard={"cancel_requested_at__isnull": True})


def _fail(job: DuplicationJob, failure: outcomes.FailedInMoodle) -> None:
    """End a job as failed. The site itself reports that the copy failed, so no lookup is needed."""
    left: dict[str, Any] = {}
    if failure.partial_course_id is not None:
        left = {"course_id": failure.partial_course_id, "proof": Proof.ANSWERED}
    now = timezone.now()
    fail(
        job,
        failure.code,
        failure.message,
        reason=f"The copy failed in Moodle: {message_or_code(failure.code, failure.message)}",
        moodle_done_at=now,
        source_released_at=job.source_released_at or now,
        **left,
    )
