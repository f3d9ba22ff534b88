"""Turns the outcome of an attempt into transitions of its job."""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.engine.completion import (
    cancel_unsent,
    columns_before_sending,
    fail,
    finish,
    retry_delay,
    start_checking,
)
from dupdash.duplication.engine.confirmation import confirm
from dupdash.duplication.engine.late_answer import error_code, record_late_outcome
from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job
from dupdash.moodle.errors import ConfigurationFault, MoodleError

logger = logging.getLogger("dupdash.engine")

# How often an outcome is recorded anew because somebody changed the job at the same moment.
TRIES = 5


def record_outcome(driven: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    """Record what an attempt led to. Harmless when repeated, and when somebody else has changed the job.

    ``driven``: the job as its driver left it.
    """
    for _ in range(TRIES):
        job = DuplicationJob.objects.get(pk=driven.pk)
        try:
            if job.lease_owner == lease.owner:
                _record(job, lease, outcome)
            elif job.sent_at is not None and job.sent_at == driven.sent_at:
                record_late_outcome(job, outcome)
        except StaleJob as moved:
            # Somebody cancelled the job, or took it back, at this very moment.
            logger.info("%s", moved)
        else:
            return


def _record(job: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    match outcome:
        case outcomes.Answered():
            with open_client() as client:
                confirm(job, client, guard=lease.guard)
        case outcomes.Finished(course_id):
            with open_client() as client:
                finish(job, course_id, client, guard=lease.guard)
        case outcomes.AnswerLost() as lost:
            _after_lost_answer(job, lease, lost)
        case outcomes.NothingStarted(error):
            _again_later(job, lease, error)
        case outcomes.CancelledBeforeSending():
            cancel_unsent(job, guard=lease.guard)
        case outcomes.SourceIsBusy():
            _back_to_queue(
                job,
                lease,
                kind="source_busy",
                reason="Another copy of the same source is on its way; its course must be seen first.",
            )
        case outcomes.SiteUnavailable(ConfigurationFault() as fault):
            _wait_for_configuration(job, lease, fault)
        case outcomes.SiteUnavailable(outage):
            _wait_for_site(job, lease, outage)
        case outcomes.Refused(code, message, words):
            fail(job, code, message, words=words, guard=lease.guard)
        case outcomes.LeaseLost() | outcomes.RunsInMoodle():
            pass


def _after_lost_answer(job: DuplicationJob, lease: Lease, lost: outcomes.AnswerLost) -> None:
    if job.sent_at is None:
        _again_later(job, lease, MoodleError(lost.detail, errorcode="worker_lost"))
        return
    if lost.errorcode:
        why = f"Moodle answered with an error, which does not say what it left behind: {lost.detail}."
    else:
        why = f"No trustworthy answer came from Moodle: {lost.detail}."
    done = bool(lost.errorcode)
    start_checking(job, why, errorcode=lost.errorcode, words=lost.words, done=done, guard=lease.guard)


def _again_later(job: DuplicationJob, lease: Lease, error: MoodleError) -> None:
    """Nothing started: back to the queue with a growing delay, up to the limit of attempts."""
    if job.attempts >= settings.RETRY_ATTEMPTS and job.cancel_requested_at is None:
        message = f"{error} Tried {job.attempts} times."
        fail(job, error_code(error), message, words=error.words, guard=lease.guard)
        return
    pause = retry_delay(job.attempts)
    _back_to_queue(
        job,
        lease,
        kind="again_later",
        reason=f"Attempt {job.attempts} started nothing: {error} "
        f"The next one follows in {pause.total_seconds():.0f} seconds or later.",
        data=_event_data(error),
        retry_at=timezone.now() + pause,
    )


def _wait_for_site(job: DuplicationJob, lease: Lease, outage: MoodleError) -> None:
    """The site is down: dispatch pauses, and the job keeps its place in the queue without using up an attempt."""
    moodle_health.pause(outage)
    _back_to_queue(
        job,
        lease,
        kind="site_down",
        reason=f"The Moodle site is not available: {outage} Nothing was started. The job waits until the site is back.",
        data=_event_data(outage),
    )


def _event_data(error: MoodleError) -> dict[str, str]:
    return {"errorcode": error.errorcode, "message": error.message, **(asdict(error.words) if error.words else {})}


def _wait_for_configuration(job: DuplicationJob, lease: Lease, fault: ConfigurationFault) -> None:
    """A fault of the configuration: dispatch pauses, and the job keeps its place in the queue until it is fixed.

    No job fails because a site is misconfigured, for however long. But a fault that this job alone meets (a firewall
    that refuses its name) returns with each of its attempts, so the delay between them grows, and in the end it fails.
    """
    times = job.events.filter(kind="paused").count() + 1
    alone = _times_while_others_were_made(job)
    if alone >= settings.RETRY_ATTEMPTS and job.cancel_requested_at is None:
        message = f"{fault} This was so {alone} times, while other copies were made."
        reason = f"Nothing was started: {message}"
        fail(job, error_code(fault), message, reason=reason, words=fault.words, guard=lease.guard)
        return
    moodle_health.pause(fault)
    _back_to_queue(
        job,
        lease,
        kind="paused",
        reason=f"Nothing was started: {fault} The job waits until this is fixed.",
        data=_event_data(fault),
        # Others go first when the probe has found that all is well.
        retry_at=timezone.now() + timedelta(seconds=settings.PROBE_INTERVAL) + retry_delay(times),
    )


def _times_while_others_were_made(job: DuplicationJob) -> int:
    """How often this job met such a fault, with this one, after the site had made a copy all the same."""
    paused = job.events.filter(kind="paused")
    first = paused.first()
    if first is None:
        return 0
    made = DuplicationJob.objects.filter(state=State.SUCCEEDED, sent_at__gt=first.at).order_by("finished_at").first()
    if made is None or made.finished_at is None:
        return 0
    latest = DuplicationJob.objects.filter(state=State.SUCCEEDED).aggregate(at=Max("sent_at"))["at"]
    if JobEvent.objects.filter(kind="paused", at__gt=latest).exclude(job=job).exists():
        # Others meet it, too, and nothing was sent since that became a copy.
        return 0
    return paused.filter(at__gt=made.finished_at).count() + 1


def _back_to_queue(
    job: DuplicationJob,
    lease: Lease,
    *,
    kind: str,
    reason: str,
    data: dict[str, str] | None = None,
    **changes: Any,
) -> None:
    """Only where nothing can have started: "sent" is withdrawn, by this event."""
    if job.cancel_requested_at is not None:
        cancel_unsent(job, guard=lease.guard)
        return
    if kind in ("source_busy", "paused", "site_down"):
        # Not an attempt: it waits for something that is no fault of the job.
        changes["attempts"] = max(0, job.attempts - 1)
    move_job(
        job,
        State.QUEUED,
        kind=kind,
        reason=reason + _to_be_judged(job),
        data=data,
        guard={**lease.guard, "cancel_requested_at__isnull": True},
        **columns_before_sending(),
        **changes,
    )


def _to_be_judged(job: DuplicationJob) -> str:
    """What appeared in Moodle during an attempt that started nothing: it is seen no more when the next one begins."""
    ids = ", ".join(f"id {candidate['id']}" for candidate in job.candidates)
    return (
        f" Meanwhile a course appeared that is likely somebody else’s; somebody should judge it in Moodle: {ids}."
        if ids
        else ""
    )
