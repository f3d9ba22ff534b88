"""One job, from claimed to settled: choose the driver, let it work, and write down what became of it."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication import health
from dupdash.duplication.drivers import native, outcomes, waiting
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preparing import outcome_of_read
from dupdash.duplication.endings import fail, finish, look_up
from dupdash.duplication.insisting import insist
from dupdash.duplication.leases import Lease, claim
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.site import open_client
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, move, note
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError

logger = logging.getLogger("dupdash.engine")

# How often an outcome is written that somebody's cancelling came in the way of.
TRIES = 3

DRIVERS: dict[str, Callable[[DuplicationJob, Lease, MoodleClient], Outcome]] = {
    "waiting": waiting.duplicate,
    "native": native.duplicate,
}


def run(job_id: str) -> None:
    """Claim a job and see it through; leaves quietly where there is nothing to claim."""
    lease = claim(job_id)
    if lease is None:
        return
    with lease.kept():
        job = DuplicationJob.objects.get(pk=job_id)
        outcome = _attempt(job, lease)
        insist(lambda: settle(job_id, lease, outcome))


def _attempt(job: DuplicationJob, lease: Lease) -> Outcome:
    try:
        with open_client() as client:
            site = health.read_site(client)
            driver = health.choose_driver(site)
            if driver == "native" and not job.visible:
                # The proposed service has no parameter for it.
                if health.DUPLICATE not in site.functions:
                    return outcomes.Refused("invalidparameter", "This site's service makes visible copies only.")
                driver = "waiting"
            return DRIVERS[driver](job, lease, client)
    except MoodleError as error:
        return outcome_of_read(error)
    except Exception:
        # A fault of ours. Whether something was sent is in the row, not in this stack.
        logger.exception("job %s: the driver broke", job.pk)
        return outcomes.AnswerLost("a fault in dupdash itself; the log of the worker says more")


def settle(job_id: str, lease: Lease, outcome: Outcome) -> None:
    """Turn an outcome into moves. Harmless when repeated, and when somebody else has moved the job."""
    for _ in range(TRIES):
        job = DuplicationJob.objects.get(pk=job_id)
        try:
            _write(job, lease, outcome)
        except JobMovedOn as moved:
            job.refresh_from_db()
            if job.lease_owner != lease.owner:
                logger.warning("%s", moved)
                break
            # It is still ours: somebody cancelled it at this very moment.
        else:
            return
    if isinstance(outcome, outcomes.Finished):
        _late_answer(job_id, outcome.course_id)


def _write(job: DuplicationJob, lease: Lease, outcome: Outcome) -> None:
    match outcome:
        case outcomes.Finished(course_id):
            with open_client() as client:
                finish(job, course_id, client, guard=lease.guard)
        case outcomes.AnswerLost(detail, errorcode):
            _after_lost_answer(job, lease, detail, errorcode)
        case outcomes.NothingStarted(error):
            _again_later(job, lease, error)
        case outcomes.SourceIsBusy():
            _back_to_queue(
                job,
                lease,
                kind="source_busy",
                reason="Another copy of the same source is on its way; its course must be seen first.",
            )
        case outcomes.Misconfigured(fault):
            health.pause(fault)
            _back_to_queue(
                job,
                lease,
                kind="paused",
                reason=f"Nothing was started: {fault} The job waits until this is mended.",
                data={"errorcode": fault.errorcode, "message": fault.message},
            )
        case outcomes.Refused(code, message):
            fail(job, code, message, guard=lease.guard)
        case outcomes.AnsweredLate(course_id):
            _late_answer(job.pk, course_id)
        case outcomes.LeaseLost():
            logger.warning("job %s: the lease is lost; somebody else decides", job.pk)
        case outcomes.FollowedElsewhere():
            pass


def _after_lost_answer(job: DuplicationJob, lease: Lease, detail: str, errorcode: str) -> None:
    if job.sent_at is None:
        _again_later(job, lease, MoodleError(detail))
        return
    look_up(job, f"No trustworthy answer came from Moodle: {detail}.", errorcode=errorcode, guard=lease.guard)


def _again_later(job: DuplicationJob, lease: Lease, error: MoodleError) -> None:
    """Nothing started: back to the queue with a growing delay, up to the limit of attempts."""
    code = error.errorcode or "unreachable"
    if job.attempts >= settings.RETRY_ATTEMPTS:
        fail(job, code, f"{error} Tried {job.attempts} times.", guard=lease.guard)
        return
    delay = min(settings.RETRY_LONGEST, settings.RETRY_FIRST * 3 ** (job.attempts - 1))
    _back_to_queue(
        job,
        lease,
        kind="again_later",
        reason=f"Attempt {job.attempts} started nothing: {error} The next one follows in {delay:.0f} seconds or later.",
        data={"errorcode": error.errorcode, "message": error.message},
        not_before=timezone.now() + timedelta(seconds=delay),
    )


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
        move(job, State.CANCELLED, kind="cancelled", reason="Nothing had been started.", guard=lease.guard)
        return
    if kind in ("source_busy", "paused"):
        # Not an attempt: it waits for something that is no fault of the job.
        changes["attempts"] = max(0, job.attempts - 1)
    move(
        job,
        State.QUEUED,
        kind=kind,
        reason=reason,
        data=data,
        guard={**lease.guard, "cancel_requested_at__isnull": True},
        dispatched_at=None,
        sent_at=None,
        phase="",
        baseline=None,
        # What was seen meanwhile was somebody else's.
        restore_at=None,
        facts={},
        **changes,
    )


def _late_answer(job_id: str, course_id: int) -> None:
    """An answer that arrives after all makes a job that is being looked up look at once."""
    job = DuplicationJob.objects.get(pk=job_id)
    if job.state not in (State.CHECKING, State.UNRESOLVED) or job.course_id not in (None, course_id):
        return
    note(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived after all: course {course_id}.",
        course_id=course_id,
        proof=Proof.ANSWERED,
        facts={**job.facts, "course_id": course_id},
        check_at=timezone.now(),
    )
