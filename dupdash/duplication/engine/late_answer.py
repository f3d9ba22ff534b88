"""Records an answer of Moodle that arrives after its job was recovered from the worker. The answer still counts."""

import time
from dataclasses import asdict

from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.answers import changes_from_answer
from dupdash.duplication.drivers.copy_verdict import apply_answer
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.engine.job_endings import cancel_unsent, data_of_error, fail
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import record_event, update_job
from dupdash.moodle.errors import MoodleError, RawError


def record_late_outcome(job: DuplicationJob, outcome: Outcome) -> None:
    """Record an outcome that arrives while its job is in the state checking or unresolved; ignore it otherwise."""
    if job.state not in (State.CHECKING, State.UNRESOLVED):
        return
    match outcome:
        case outcomes.Answered(course_id):
            record_late_answer(job, course_id)
        case outcomes.Refused(code, message, raw_error):
            _record_refusal(job, code, message, raw_error)
        case outcomes.NothingStarted(error):
            _record_refusal(job, error_code(error), f"{error} You can try again.", error.raw_error)
        case outcomes.SiteUnavailable(fault):
            moodle_health.pause(fault)
            message = f"{fault} You can try again when this is fixed."
            _record_refusal(job, error_code(fault), message, fault.raw_error)
        case outcomes.AnswerLost(detail, errorcode, raw_error) if errorcode:
            _record_error(job, errorcode, detail, raw_error)
        case outcomes.AnswerLost() | outcomes.Finished():
            update_job(job, check_at=timezone.now())


def error_code(error: MoodleError) -> str:
    return error.errorcode or "unreachable"


def record_late_answer(job: DuplicationJob, course_id: int) -> None:
    """Store the course that Moodle's answer names. The next check, which is due at once, confirms it."""
    disowned = job.course_id not in (None, course_id)
    evidence = apply_answer(evidence_of(job), course_id, time.time())
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived late. It says that course {course_id} is the copy."
        + (f" Course {job.course_id} has the same names but is not this copy." if disowned else ""),
        guard={"course_id": job.course_id},
        check_at=timezone.now(),
        **changes_from_answer(job, evidence),
    )


def _record_refusal(job: DuplicationJob, code: str, message: str, raw_error: RawError | None) -> None:
    """Record an answer that says that nothing was started: the job ends, unless it has a proven course."""
    unseen = {"course_id": None, "cancel_requested_at": job.cancel_requested_at}
    if job.course_id is not None:
        _record_error(job, code, message, raw_error)
    elif job.cancel_requested_at is not None:
        cancel_unsent(job, guard=unseen)
    else:
        reason = f"Moodle's answer arrived late. It says that nothing was started: {message_or_code(code, message)}"
        fail(job, code, message, reason=reason, raw_error=raw_error, guard=unseen)


def _record_error(job: DuplicationJob, code: str, message: str, raw_error: RawError | None) -> None:
    """Record an error that may have left something in Moodle. The next checks find out what."""
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived late. It is an error: {message_or_code(code, message)}",
        data=data_of_error(code, message, raw_error),
        request_error=code[:100],
        moodle_error=asdict(raw_error) if raw_error else None,
        moodle_done_at=timezone.now(),
        source_released_at=job.source_released_at or timezone.now(),
        checks=0,
        answered_checks=0,
        check_at=timezone.now(),
    )
