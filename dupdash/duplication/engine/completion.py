"""Transitions that several modules share: a job succeeds, fails, is cancelled, or is checked."""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.course_settings import LABELS, set_after_copy, sets_after_copy
from dupdash.duplication.engine.removal import Guard, NotRemoved, remove_course
from dupdash.duplication.engine.verification import Report, lacks_most, verify
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.moodle_health import DELETE
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job, record_event, update_job
from dupdash.moodle.client import LONGEST_DELETION, MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MayHaveStarted, MoodleError, MoodleWords, Refused

logger = logging.getLogger("dupdash.completion")

# One answer may be about another course: so many reads must agree that a copy lacks most of its source.
READS_OF_INCOMPLETE = 3


def finish(
    job: DuplicationJob,
    course_id: int,
    client: MoodleClient,
    /,
    *,
    guard: Guard = None,
    patient: bool = True,
    report: Report | None = None,
    **changes: Any,
) -> None:
    """End a job whose copy Moodle has completed: compare it with its source, or remove it if the job was cancelled.

    ``patient``: a removal that fails for a passing reason is tried again later, else it is left to a person.
    ``report``: the comparison, where it was made already. ``changes``: other columns to change. Raises StaleJob where
    somebody moved or cancelled the job meanwhile.
    """
    wanted = job.cancel_requested_at is None
    if not wanted and _remove_unwanted(job, course_id, client, guard, patient, changes):
        return
    if sets_after_copy(job):
        _set_course_settings(job, course_id, client, guard)
        # The comparison was made before.
        report = None
    report = report or verify(job, course_id, client)
    for _ in range(READS_OF_INCOMPLETE - 1):
        if lacks_most(report):
            report = verify(job, course_id, client, fresh=True)
    # A person who cancels at this moment is told that the copy will be removed, so the job must not succeed then.
    guard = {**(guard or {}), "cancel_requested_at__isnull": wanted}
    if report is not None and lacks_most(report):
        _fail_incomplete(job, course_id, report, guard, changes)
        return
    succeed(job, course_id, report, guard=guard, **changes)


def succeed(job: DuplicationJob, course_id: int, report: Report | None, /, *, guard: Guard, **changes: Any) -> None:
    """End a job with a copy that was compared with its source, or could not be compared now."""
    move_job(
        job,
        State.SUCCEEDED,
        kind="succeeded",
        reason=f"The copy is complete: course {course_id}.",
        data={"course_id": course_id},
        guard=guard,
        **{**changes, **_columns_of_copy(course_id, report)},
    )


def _set_course_settings(job: DuplicationJob, course_id: int, client: MoodleClient, guard: Guard) -> None:
    """A copy whose dates could not be set is complete all the same: the verification says what differs."""
    names = " and ".join(label for name, label in LABELS.items() if name in job.course_settings)
    why_not = set_after_copy(job, course_id, client)
    reason = f"The {names} could not be set: {why_not} Set them in Moodle." if why_not else f"The {names} were set."
    record_event(job, kind="settings_not_set" if why_not else "settings_set", reason=reason, guard=guard)


def _columns_of_copy(course_id: int, report: Report | None) -> dict[str, Any]:
    now = timezone.now()
    return {"course_id": course_id, "phase": Phase.RESTORE, "verification": report, "last_response_at": now}


def _fail_incomplete(
    job: DuplicationJob, course_id: int, report: Report, guard: Guard, changes: dict[str, Any]
) -> None:
    """A copy that lacks most of its source is no success, whatever Moodle answered."""
    sections, activities = report["sections"], report["activities"]
    numbers = (
        f"{activities['copy']} of {activities['expected']} activities and "
        f"{sections['copy']} of {sections['source']} sections"
    )
    fail(
        job,
        "incomplete_copy",
        f"The copy has {numbers}.",
        reason=f"The copy, course {course_id}, lacks most of its source: it has {numbers}.",
        data={"course_id": course_id},
        guard=guard,
        **{**changes, **_columns_of_copy(course_id, report)},
    )


def fail(
    job: DuplicationJob,
    code: str,
    message: str,
    *,
    reason: str = "",
    guard: Guard = None,
    data: dict[str, Any] | None = None,
    words: MoodleWords | None = None,
    **changes: Any,
) -> None:
    """End a job without a copy. ``message``: Moodle's where it sent one, else a sentence of ours; ``words``: the error
    as Moodle sent it."""
    if words is not None:
        changes["moodle_error"] = asdict(words)
    move_job(
        job,
        State.FAILED,
        kind="failed",
        reason=reason or f"Moodle will not make this copy: {message_or_code(code, message)}",
        data={"errorcode": code, "message": message, **(asdict(words) if words else {}), **(data or {})},
        guard=guard,
        failure_code=code[:100],
        failure_message=message,
        **changes,
    )


def cancel_unsent(job: DuplicationJob, *, guard: Guard = None) -> None:
    """End a job that somebody cancelled, and of which nothing was started."""
    move_job(job, State.CANCELLED, kind="cancelled", reason="Nothing had been started.", guard=guard)


def columns_before_sending() -> dict[str, Any]:
    """The columns of a job that returns to the queue: whatever its last request did, nothing is left of it."""
    return {
        "dispatched_at": None,
        "sent_at": None,
        "baseline": None,
        "phase": "",
        # What was observed belongs to somebody else, or is gone.
        "facts": {},
        "course_id": None,
        "proof": Proof.NONE,
        "likely_course_id": None,
        "restore_at": None,
        "content_at": None,
        "source_released_at": None,
        "moodle_done_at": None,
        "moodle_queue_ahead": None,
        "moodle_started_at": None,
        "checking_since": None,
        "check_at": None,
        "checks": 0,
        "looks": 0,
        "request_error": "",
        "moodle_error": None,
    }


def retry_delay(times: int) -> timedelta:
    """How long a job that started nothing waits for its next attempt; grows with the number of attempts."""
    return timedelta(seconds=min(settings.RETRY_LONGEST, settings.RETRY_FIRST * 3.0 ** min(times - 1, 60)))


def start_checking(
    job: DuplicationJob,
    reason: str,
    *,
    errorcode: str = "",
    words: MoodleWords | None = None,
    done: bool = False,
    guard: Guard = None,
    **changes: Any,
) -> None:
    """Have the sweep check in Moodle what became of a sent job, without a worker.

    ``errorcode`` and ``words``: the error that Moodle answered, if it did. ``done``: the error ended the request.
    ``changes``: other columns to change.
    """
    now = timezone.now()
    ended: dict[str, Any] = {"moodle_done_at": now, "source_released_at": job.source_released_at or now} if done else {}
    move_job(
        job,
        State.CHECKING,
        kind="checking",
        reason=f"{reason} What became of the copy is looked up in Moodle.",
        data=({"errorcode": errorcode} | (asdict(words) if words else {})) if errorcode else None,
        guard=guard,
        request_error=errorcode[:100],
        moodle_error=asdict(words) if words else None,
        checking_since=now,
        paused_seconds=0,
        checks=0,
        looks=0,
        check_at=now + timedelta(seconds=settings.CHECK_FIRST),
        **ended,
        **changes,
    )


def _remove_unwanted(
    job: DuplicationJob, course_id: int, client: MoodleClient, guard: Guard, patient: bool, changes: dict[str, Any]
) -> bool:
    """Delete the finished copy of a cancelled job; False where the copy stays, and an event says why."""
    next_check = job.check_at
    if next_check is not None:
        # Another sweep must not find the copy, and delete it a second time.
        changes = {**changes, "check_at": after_a_deletion()}
    if changes:
        update_job(job, guard=guard, **changes)
    job.course_id = course_id
    try:
        outcome = remove_course(job, client, complete=True, guard=guard)
    except (NotRemoved, MoodleError) as refusal:
        if patient and may_pass(refusal):
            if job.state == State.RUNNING:
                start_checking(job, f"Whether the copy was removed is not known: {refusal}", guard=guard)
                next_check = job.check_at
            # If the answer was lost, Moodle may still be deleting.
            update_job(job, check_at=after_a_deletion() if may_be_deleting(refusal) else next_check)
            return True
        record_event(
            job,
            kind="not_removed",
            reason=f"The copy was to be removed, but could not be: {refusal} Delete course {course_id} in Moodle.",
            guard=guard,
            data={"course_id": course_id},
        )
        return False
    move_job(
        job,
        State.CANCELLED,
        kind="removed",
        reason=f"Cancelled. {outcome}",
        guard=guard,
        course_deleted_at=timezone.now(),
    )
    return True


def after_a_deletion() -> datetime:
    """When Moodle will have ended a deletion that begins now."""
    longest = min(LONGEST_DELETION, settings.MOODLE_DUPLICATION_TIMEOUT) + settings.MOODLE_CONNECT_TIMEOUT
    return timezone.now() + timedelta(seconds=longest)


def may_be_deleting(refusal: NotRemoved | MoodleError) -> bool:
    return isinstance(refusal, MayHaveStarted) and refusal.function == DELETE


def may_pass(refusal: NotRemoved | MoodleError) -> bool:
    """Whether a removal may succeed later: Moodle was away or in maintenance, or its answer was lost."""
    if isinstance(refusal, ConfigurationFault):
        # This one means that the token may not delete at all.
        return refusal.errorcode != "accessexception"
    return not isinstance(refusal, NotRemoved | Refused)
