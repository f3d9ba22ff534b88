"""Follows the copies that a site makes by itself: reads their status together, and ends those that are done."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous, conclusion, outcomes
from dupdash.duplication.drivers.asynchronous import Report
from dupdash.duplication.engine import deadlines
from dupdash.duplication.engine.completion import fail, finish, start_checking
from dupdash.duplication.engine.start_again import repeat_starts
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, move_job, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError

logger = logging.getLogger("dupdash.follow")

STARTED = Q(state=State.RUNNING) & ~Q(duplicate_id="")
# The answer to the start call was lost, and no worker drives the job: the call is repeated.
UNANSWERED = Q(state=State.RUNNING, duplicate_id="", lease_owner="", sent_at__isnull=False)
FOLLOWED = STARTED | UNANSWERED


def follow_due_jobs(client: MoodleClient, deadline: float) -> bool:
    """Read the status of every followed job that is due, and act on it.

    ``deadline``: on the monotonic clock. Returns False where there was not enough time, or where Moodle refused the
    token.
    """
    jobs = _claim_due_jobs()
    if not jobs:
        return True
    fault: ConfigurationFault | None = None
    reports: dict[str, Report] = {}
    started = [job for job in jobs if job.duplicate_id]
    try:
        repeat_starts([job for job in jobs if not job.duplicate_id], deadline)
        asynchronous.cancel_in_moodle(started)
        reports = asynchronous.read_reports(started)
    except ConfigurationFault as refused:
        fault = refused
    running = [job for job in jobs if job.pk in reports and asynchronous.is_running(job, reports[job.pk])]
    _record_running(running, reports)
    running_ids = {job.pk for job in running}
    for job in jobs:
        if time.monotonic() > deadline:
            return False
        try:
            # A job that is late is looked up, whatever the site says or refuses to say.
            if job.duplicate_id and (job.pk not in running_ids or _is_late(job)):
                _act_on_report(job, reports.get(job.pk), client)
        except ConfigurationFault as refused:
            fault = refused
        except (MoodleError, JobMovedOn) as passing:
            logger.info("job %s: %s", job.pk, passing)
    if fault is not None:
        moodle_health.pause(fault)
    return fault is None


def _claim_due_jobs() -> list[DuplicationJob]:
    """The followed jobs that are due, the longest waiting first. Only one of two sweeps at the same time gets a job."""
    now = timezone.now()
    due = DuplicationJob.objects.filter(FOLLOWED, check_at__lte=now)
    ids = list(due.order_by("check_at").values_list("pk", flat=True))
    if not ids:
        return []
    next_at = now + timedelta(seconds=settings.STATUS_INTERVAL)
    due.update(check_at=next_at)
    claimed = DuplicationJob.objects.filter(FOLLOWED, check_at=next_at).in_bulk(ids)
    return [claimed[id] for id in ids if id in claimed]


def _record_running(jobs: Iterable[DuplicationJob], reports: dict[str, Report]) -> None:
    """Store the progress of copies that run, in one transaction: a hundred commits would take a second."""
    with transaction.atomic():
        for job in jobs:
            status = reports[job.pk].status
            changes = asynchronous.changes_from_report(job, status) if status is not None else {}
            try:
                update_job(job, last_response_at=timezone.now(), **changes)
            except JobMovedOn as moved:
                logger.info("%s", moved)


def _is_late(job: DuplicationJob) -> bool:
    """A copy that waits in Moodle's queue is not late, however long: nothing was begun."""
    return job.moodle_queue_ahead is None and timezone.now() >= deadlines.checking_deadline(job)


def _act_on_report(job: DuplicationJob, report: Report | None, client: MoodleClient) -> None:
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
            finish(job, course_id, client)
        case outcomes.AnswerLost(detail, errorcode):
            done = errorcode not in ("", asynchronous.FAILED_BY_ITS_ID)
            start_checking(job, f"The site's own word does not settle it: {detail}.", errorcode=errorcode, done=done)
        case outcomes.FailedInMoodle() as failure:
            _fail(job, failure)
        case outcomes.CancelledInMoodle():
            reason = "Moodle stopped the copy and removed what it had made."
            move_job(job, State.CANCELLED, kind="cancelled", reason=reason)
        case None if late:
            # Whoever worked on it there may be dead, and then says the same for ever.
            start_checking(job, "The site has not finished it, long after it should have.")
        case None if report is not None:
            # The site answered, and does not know the result yet.
            update_job(job, last_response_at=timezone.now())


def _fail(job: DuplicationJob, failure: outcomes.FailedInMoodle) -> None:
    """The site's own result is the proof: nothing is looked up."""
    left: dict[str, Any] = {}
    if failure.partial_course_id is not None:
        left = {"course_id": failure.partial_course_id, "proof": Proof.ANSWERED}
    now = timezone.now()
    fail(
        job,
        failure.code,
        failure.message,
        reason=f"Moodle ended the copy: {message_or_code(failure.code, failure.message)}",
        moodle_done_at=now,
        source_released_at=job.source_released_at or now,
        **left,
    )
