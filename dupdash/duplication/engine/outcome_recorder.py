"""Records the outcome of an attempt as a transition of its job."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.engine.confirmation import confirm
from dupdash.duplication.engine.job_endings import (
    cancel_unsent,
    columns_before_sending,
    data_of_error,
    fail,
    finish,
    retry_delay,
    start_checking,
)
from dupdash.duplication.engine.late_answer import error_code, record_late_outcome
from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.quantities import counted, times
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job
from dupdash.moodle.errors import ConfigurationFault, MoodleError

logger = logging.getLogger("dupdash.engine")

# Recording is tried at most this many times: each time somebody may change the job at the same moment.
TRIES = 5


def record_outcome(driven: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    """Record the outcome of an attempt.

    A second call with the same outcome changes nothing, because the job has changed. ``driven``: the job as its driver
    left it. If the job changes during each of TRIES tries, the outcome is lost; then the lease expires, and the job is
    recovered.
    """
    for _ in range(TRIES):
        job = DuplicationJob.objects.get(pk=driven.pk)
        try:
            if job.lease_owner == lease.owner:
                _record(job, lease, outcome)
            elif job.sent_at is not None and job.sent_at == driven.sent_at:
                record_late_outcome(job, outcome)
        except StaleJob as moved:
            # The job was cancelled or recovered at this moment.
            logger.info("%s", moved)
        else:
            return
    logger.error("job %s: its outcome could not be recorded, because the job kept changing", driven.pk)


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
            _retry_later(job, lease, error)
        case outcomes.CancelledBeforeSending():
            cancel_unsent(job, guard=lease.guard)
        case outcomes.SourceIsBusy():
            _back_to_queue(
                job,
                lease,
                kind="source_busy",
                reason="Another copy of the same source has started. This copy waits until the course of the other one "
                "appears in Moodle.",
            )
        case outcomes.SiteUnavailable(ConfigurationFault() as fault):
            _wait_for_configuration(job, lease, fault)
        case outcomes.SiteUnavailable(outage):
            _wait_for_site(job, lease, outage)
        case outcomes.Refused(code, message, raw_error):
            fail(job, code, message, raw_error=raw_error, guard=lease.guard)
        case outcomes.LeaseLost() | outcomes.RunsInMoodle():
            pass


def _after_lost_answer(job: DuplicationJob, lease: Lease, lost: outcomes.AnswerLost) -> None:
    if job.sent_at is None:
        _retry_later(job, lease, MoodleError(lost.detail, errorcode="worker_lost"))
        return
    if lost.errorcode:
        message = f": {lost.detail}" if lost.detail else " without a message"
        why = f"Moodle answered with an error{message}. An incomplete copy may be in Moodle."
    else:
        why = f"No trustworthy answer arrived from Moodle: {lost.detail}."
    done = bool(lost.errorcode)
    start_checking(job, why, errorcode=lost.errorcode, raw_error=lost.raw_error, done=done, guard=lease.guard)


def _retry_later(job: DuplicationJob, lease: Lease, error: MoodleError) -> None:
    """Return the job to the queue with a delay, because nothing was started.

    After the last attempt, fail the job instead.
    """
    if job.attempts >= settings.RETRY_ATTEMPTS and job.cancel_requested_at is None:
        message = f"{error} dupdash tried {times(job.attempts)}."
        fail(job, error_code(error), message, raw_error=error.raw_error, guard=lease.guard)
        return
    pause = retry_delay(job.attempts)
    _back_to_queue(
        job,
        lease,
        kind="again_later",
        reason=f"Attempt {job.attempts} started nothing: {error} "
        f"The next attempt starts in {counted(round(pause.total_seconds()), 'second')} at the earliest.",
        data=_event_data(error),
        retry_at=timezone.now() + pause,
    )


def _wait_for_site(job: DuplicationJob, lease: Lease, outage: MoodleError) -> None:
    """Pause dispatch because the site is down. The job keeps its place in the queue and its number of attempts."""
    moodle_health.pause(outage)
    _back_to_queue(
        job,
        lease,
        kind="site_down",
        reason=f"Moodle is not available: {outage} Nothing was started. The job waits until Moodle is available.",
        data=_event_data(outage),
    )


def _event_data(error: MoodleError) -> dict[str, Any]:
    return data_of_error(error.errorcode, error.message, error.raw_error)


def _wait_for_configuration(job: DuplicationJob, lease: Lease, fault: ConfigurationFault) -> None:
    """Pause dispatch because of a configuration fault. The job keeps its place in the queue until the fault is fixed.

    A misconfigured site does not make jobs fail. But if only this job runs into the fault (for example because a
    firewall refuses its name), the delay between its attempts grows, and after the last attempt it fails.
    """
    faults = job.events.filter(kind="paused").count() + 1
    alone = _times_while_others_were_made(job)
    if alone >= settings.RETRY_ATTEMPTS and job.cancel_requested_at is None:
        message = f"{fault} This happened {times(alone)}, while Moodle made other copies."
        reason = f"Nothing was started: {message}"
        fail(job, error_code(fault), message, reason=reason, raw_error=fault.raw_error, guard=lease.guard)
        return
    moodle_health.pause(fault)
    _back_to_queue(
        job,
        lease,
        kind="paused",
        reason=f"Nothing was started: {fault} The job waits until this is fixed.",
        data=_event_data(fault),
        # After a successful probe, other jobs go first.
        retry_at=timezone.now() + timedelta(seconds=settings.PROBE_INTERVAL) + retry_delay(faults),
    )


def _times_while_others_were_made(job: DuplicationJob) -> int:
    """Return how often this job ran into a configuration fault while the site made other copies.

    The current fault is counted.
    """
    paused = job.events.filter(kind="paused")
    first = paused.first()
    if first is None:
        return 0
    made = DuplicationJob.objects.filter(state=State.SUCCEEDED, sent_at__gt=first.at).order_by("finished_at").first()
    if made is None or made.finished_at is None:
        return 0
    latest = DuplicationJob.objects.filter(state=State.SUCCEEDED).aggregate(at=Max("sent_at"))["at"]
    if JobEvent.objects.filter(kind="paused", at__gt=latest).exclude(job=job).exists():
        # Other jobs meet the fault, too, and the site has made no copy since.
        return 0
    return paused.filter(at__gt=made.finished_at).count() + 1


def _back_to_queue(
    job: DuplicationJob,
    lease: Lease,
    *,
    kind: str,
    reason: str,
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Return a job for which Moodle started nothing to the queue, as not sent. A cancelled job ends instead."""
    if job.cancel_requested_at is not None:
        cancel_unsent(job, guard=lease.guard)
        return
    if kind in ("source_busy", "paused", "site_down"):
        # This does not count as an attempt, because the job did not cause it.
        changes["attempts"] = max(0, job.attempts - 1)
    move_job(
        job,
        State.QUEUED,
        kind=kind,
        reason=reason + _courses_to_check(job),
        data=data,
        guard={**lease.guard, "cancel_requested_at__isnull": True},
        **columns_before_sending(),
        **changes,
    )


def _courses_to_check(job: DuplicationJob) -> str:
    """Return a sentence about courses that appeared in Moodle during an attempt that started nothing; "" if none did.

    People need this sentence, because the next attempt no longer looks at these courses.
    """
    ids = [f"id {candidate['id']}" for candidate in job.candidates]
    if not ids:
        return ""
    if len(ids) == 1:
        appeared, them = "a course appeared that is", "it"
    else:
        appeared, them = "courses appeared that are", "them"
    who = "A course administrator"
    return f" Meanwhile {appeared} probably not this copy. {who} should check {them} in Moodle: {', '.join(ids)}."
