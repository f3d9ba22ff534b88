"""Records what Moodle answers to a request after its job was taken back from the worker: the answer still counts."""

import time
from dataclasses import asdict

from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.answers import changes_from_answer
from dupdash.duplication.drivers.copy_tracker import apply_answer
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.engine.completion import cancel_unsent, fail
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import record_event, update_job
from dupdash.moodle.errors import MoodleError, MoodleWords


def record_late_outcome(job: DuplicationJob, outcome: Outcome) -> None:
    """Record the outcome of a request whose job the sweep checks by now."""
    if job.state not in (State.CHECKING, State.UNRESOLVED):
        return
    match outcome:
        case outcomes.Answered(course_id):
            record_late_answer(job, course_id)
        case outcomes.Refused(code, message, words):
            _record_refusal(job, code, message, words)
        case outcomes.NothingStarted(error):
            _record_refusal(job, error_code(error), f"{error} It can be tried again.", error.words)
        case outcomes.SiteUnavailable(fault):
            moodle_health.pause(fault)
            message = f"{fault} It can be tried again when this is fixed."
            _record_refusal(job, error_code(fault), message, fault.words)
        case outcomes.AnswerLost(detail, errorcode, words) if errorcode:
            _record_error(job, errorcode, detail, words)
        case outcomes.AnswerLost() | outcomes.Finished():
            update_job(job, check_at=timezone.now())


def error_code(error: MoodleError) -> str:
    return error.errorcode or "unreachable"


def record_late_answer(job: DuplicationJob, course_id: int) -> None:
    """Store the course that Moodle's answer names; the next check, which is due at once, confirms it."""
    disowned = job.course_id not in (None, course_id)
    evidence = apply_answer(evidence_of(job), course_id, time.time())
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived after all: course {course_id}."
        + (f" Course {job.course_id}, under the same names, is not this job's." if disowned else ""),
        guard={"course_id": job.course_id},
        check_at=timezone.now(),
        **changes_from_answer(job, evidence),
    )


def _record_refusal(job: DuplicationJob, code: str, message: str, words: MoodleWords | None) -> None:
    """Nothing was started, so the job ends; unless a course was seen, which is the better evidence."""
    unseen = {"course_id": None, "cancel_requested_at": job.cancel_requested_at}
    if job.course_id is not None:
        _record_error(job, code, message, words)
    elif job.cancel_requested_at is not None:
        cancel_unsent(job, guard=unseen)
    else:
        reason = f"It is known after all that nothing was started: {message_or_code(code, message)}"
        fail(job, code, message, reason=reason, words=words, guard=unseen)


def _record_error(job: DuplicationJob, code: str, message: str, words: MoodleWords | None) -> None:
    """Moodle has ended the request: what a few lookups show from now on is all there is."""
    record_event(
        job,
        kind="late_answer",
        reason=f"Moodle's answer arrived after all, an error: {message_or_code(code, message)}",
        data={"errorcode": code, "message": message, **(asdict(words) if words else {})},
        request_error=code[:100],
        moodle_error=asdict(words) if words else None,
        moodle_done_at=timezone.now(),
        source_released_at=job.source_released_at or timezone.now(),
        checks=0,
        looks=0,
        check_at=timezone.now(),
    )
