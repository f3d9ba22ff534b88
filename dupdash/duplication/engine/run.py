"""One job, from claimed to settled: choose the driver, let it work, and write down what became of it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous, outcomes, synchronous
from dupdash.duplication.drivers.copy_tracker import apply_answer
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import outcome_of_read
from dupdash.duplication.engine.completion import (
    cancel_unsent,
    columns_before_sending,
    fail,
    finish,
    retry_delay,
    start_checking,
)
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, JobEvent, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease, claim
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, move_job, record_event, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, MoodleWords
from dupdash.moodle.options import ABILITIES
from dupdash.moodle.records import SiteInfo

logger = logging.getLogger("dupdash.engine")

# How often an outcome is written that somebody came in the way of: by cancelling, by taking the job back.
TRIES = 5


def run_job(job_id: str) -> None:
    """Claim a job and see it through; leaves quietly where there is nothing to claim."""
    lease = claim(job_id)
    if lease is None:
        return
    with lease.kept():
        job = DuplicationJob.objects.get(pk=job_id)
        outcome = _attempt(job, lease)
        retry_until_database_up(lambda: settle(job, lease, outcome))
    if isinstance(outcome, outcomes.LeaseLost) and outcome.in_the_end is not None:
        # This worker is free for others; a worker that waits without a lease would look like a dead one.
        LateAnswerThread(job, lease, outcome.in_the_end).start()


class LateAnswerThread(threading.Thread):
    """Waits for Moodle's answer to the request of a job that somebody else looks up now: it still counts."""

    def __init__(self, job: DuplicationJob, lease: Lease, in_the_end: Callable[[], Outcome]) -> None:
        super().__init__(name=f"late-answer-{job.pk}", daemon=True)
        self._job = job
        self._lease = lease
        self._in_the_end = in_the_end

    def run(self) -> None:
        try:
            outcome = self._in_the_end()
            retry_until_database_up(lambda: settle(self._job, self._lease, outcome))
        except Exception:
            # Nothing is lost with it: the job is looked up.
            logger.exception("job %s: its late answer could not be heard", self._job.pk)
        finally:
            connection.close()


def _attempt(job: DuplicationJob, lease: Lease) -> Outcome:
    try:
        with open_client() as client:
            try:
                site = moodle_health.read_site(client)
            except MoodleError as error:
                # Asked about nothing but itself: whatever this is, it affects every job.
                return outcomes.SiteUnavailable(error)
            outcome = _drive(job, lease, client, site)
            if isinstance(outcome, outcomes.NothingStarted):
                fault = moodle_health.fault_of_site(client, outcome.error)
                return outcomes.SiteUnavailable(fault) if fault else outcome
            return outcome
    except MoodleError as error:
        return outcome_of_read(error)
    except Exception:
        # A fault of ours. Whether something was sent is in the row, not in this stack.
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


def settle(driven: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    """Turn an outcome into moves. Harmless when repeated, and when somebody else has moved the job.

    ``driven``: the job as its driver left it.
    """
    for _ in range(TRIES):
        job = DuplicationJob.objects.get(pk=driven.pk)
        try:
            if job.lease_owner == lease.owner:
                _write(job, lease, outcome)
            elif job.sent_at is not None and job.sent_at == driven.sent_at:
                _write_late(job, outcome)
        except JobMovedOn as moved:
            # Somebody cancelled it, or took it back, at this very moment.
            logger.info("%s", moved)
        else:
            return


def _write(job: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    match outcome:
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


def _write_late(job: DuplicationJob, outcome: Outcome) -> None:
    """Somebody took the job back after it was sent, and it is looked up: what Moodle says in the end still counts."""
    if job.state not in (State.CHECKING, State.UNRESOLVED):
        return
    match outcome:
        case outcomes.Finished(course_id, answered=True):
            _late_answer(job, course_id)
        case outcomes.Refused(code, message, words):
            _late_refusal(job, code, message, words)
        case outcomes.NothingStarted(error):
            _late_refusal(job, _code(error), f"{error} It can be tried again.", error.words)
        case outcomes.SiteUnavailable(fault):
            moodle_health.pause(fault)
            _late_refusal(job, _code(fault), f"{fault} It can be tried again when this is fixed.", fault.words)
        case outcomes.AnswerLost(detail, errorcode, words) if errorcode:
            _late_error(job, errorcode, detail, words)
        case outcomes.AnswerLost() | outcomes.Finished():
            update_job(job, check_at=timezone.now())


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
        fail(job, _code(error), message, words=error.words, guard=lease.guard)
        return
    pause = retry_delay(job.attempts)
    _back_to_queue(
        job,
        lease,
        kind="again_later",
        reason=f"Attempt {job.attempts} started nothing: {error} "
        f"The next one follows in {pause.total_seconds():.0f} seconds or later.",
        data=_said(error),
        not_before=timezone.now() + pause,
    )


def _wait_for_site(job: DuplicationJob, lease: Lease, outage: MoodleError) -> None:
    """The site is down: dispatch pauses, and the job keeps its place in the queue without using up an attempt."""
    moodle_health.pause(outage)
    _back_to_queue(
        job,
        lease,
        kind="site_down",
        reason=f"The Moodle site is not available: {outage} Nothing was started. The job waits until the site is back.",
        data=_said(outage),
    )


def _said(error: MoodleError) -> dict[str, str]:
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
        fail(job, _code(fault), message, reason=reason, words=fault.words, guard=lease.guard)
        return
    moodle_health.pause(fault)
    _back_to_queue(
        job,
        lease,
        kind="paused",
        reason=f"Nothing was started: {fault} The job waits until this is fixed.",
        data=_said(fault),
        # Others go first when the probe has found that all is well.
        not_before=timezone.now() + timedelta(seconds=settings.PROBE_INTERVAL) + retry_delay(times),
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


def _code(error: MoodleError) -> str:
    return error.errorcode or "unreachable"


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


def _late_answer(job: DuplicationJob, course_id: int) -> None:
    """Moodle's answer, confirmed by a lookup, came for a job that is being looked up: it is looked up at once."""
    corrected = job.course_id not in (None, course_id)
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived after all: course {course_id}."
        + (f" Course {job.course_id}, under the same names, is not this job's." if corrected else ""),
        guard={"course_id": job.course_id},
        course_id=course_id,
        proof=Proof.ANSWERED,
        facts=replace(apply_answer(evidence_of(job), course_id, time.time()), course_id=course_id).to_json(),
        moodle_done_at=timezone.now(),
        source_released_at=job.source_released_at or timezone.now(),
        check_at=timezone.now(),
    )


def _late_refusal(job: DuplicationJob, code: str, message: str, words: MoodleWords | None) -> None:
    """Nothing was started, and the looking ends; unless a course was seen, which is the better witness."""
    unseen = {"course_id": None, "cancel_requested_at": job.cancel_requested_at}
    if job.course_id is not None:
        _late_error(job, code, message, words)
    elif job.cancel_requested_at is not None:
        cancel_unsent(job, guard=unseen)
    else:
        reason = f"It is known after all that nothing was started: {message_or_code(code, message)}"
        fail(job, code, message, reason=reason, words=words, guard=unseen)


def _late_error(job: DuplicationJob, code: str, message: str, words: MoodleWords | None) -> None:
    """Moodle is through with the request: what a few looks show from now on is all there is."""
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived after all, an error: {message_or_code(code, message)}",
        data={"errorcode": code, "message": message, **(asdict(words) if words else {})},
        failure_code=code[:100],
        moodle_error=asdict(words) if words else None,
        moodle_done_at=timezone.now(),
        source_released_at=job.source_released_at or timezone.now(),
        checks=0,
        looks=0,
        check_at=timezone.now(),
    )
