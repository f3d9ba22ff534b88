"""Follows the copies that a site makes by itself: reads their status together, and ends those that are done."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous, outcomes
from dupdash.duplication.drivers.asynchronous import Report
from dupdash.duplication.engine import deadlines
from dupdash.duplication.engine.completion import finish, start_checking
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError

logger = logging.getLogger("dupdash.follow")

FOLLOWED = Q(state=State.RUNNING) & ~Q(duplicate_id="")


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
    try:
        reports = asynchronous.read_reports(jobs)
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
            if job.pk not in running_ids or _is_late(job):
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
    return timezone.now() >= deadlines.checking_deadline(job)


def _act_on_report(job: DuplicationJob, report: Report | None, client: MoodleClient) -> None:
    late = _is_late(job)
    outcome: outcomes.Outcome | None = None
    try:
        if report is not None and not asynchronous.is_running(job, report):
            outcome = asynchronous.conclude(job, report, client)
    except ConfigurationFault:
        if not late:
            raise
    match outcome:
        case outcomes.Finished(course_id):
            finish(job, course_id, client)
        case outcomes.AnswerLost(detail, errorcode):
            done = errorcode not in ("", asynchronous.FAILED_BY_ITS_ID)
            start_checking(job, f"The site's own word does not settle it: {detail}.", errorcode=errorcode, done=done)
        case None if late:
            # Whoever worked on it there may be dead, and then says the same for ever.
            start_checking(job, "The site has not finished it, long after it should have.")
