"""Ends jobs: a job succeeds, fails or is cancelled. Also starts checking, and returns jobs to the queue."""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.course_settings import LABELS, set_after_copy, sets_after_copy
from dupdash.duplication.driver_choice import DELETE
from dupdash.duplication.engine.comparison import Report
from dupdash.duplication.engine.deletion import CourseInUse, Guard, NotDeleted, delete_copy
from dupdash.duplication.engine.verification import lacks_most, verify
from dupdash.duplication.explanations import message_or_code
from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job, record_event, update_job
from dupdash.moodle.client import DELETION_LONGEST, MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MayHaveStarted, MoodleError, RawError, Refused

logger = logging.getLogger("dupdash.completion")

# A single answer may be wrong, so this many comparisons must agree that a copy lacks most of its source.
COMPARISONS_UNTIL_FAILURE = 3


def finish(
    job: DuplicationJob,
    course_id: int,
    client: MoodleClient,
    /,
    *,
    guard: Guard = None,
    retry_deletion: bool = True,
    report: Report | None = None,
    **changes: Any,
) -> None:
    """End a job whose copy Moodle has completed.

    Compares the copy with its source. The job succeeds, or fails if the copy lacks most of its source. If the job was
    cancelled, the copy is deleted instead; if it cannot be deleted, the job ends as if it had not been cancelled.
    ``retry_deletion``: if the deletion fails for a temporary reason, a later check tries it again. ``report``: the
    comparison, if it was made already. ``guard`` and ``changes``: as for ``move_job``. Raises StaleJob if the job was
    changed or cancelled meanwhile.
    """
    wanted = job.cancel_requested_at is None
    if not wanted and _delete_unwanted(job, course_id, client, guard, retry_deletion, changes):
        return
    if sets_after_copy(job):
        _set_course_settings(job, course_id, client, guard)
        # The comparison was made before the settings were set.
        report = None
    report = report or verify(job, course_id, client)
    for _ in range(COMPARISONS_UNTIL_FAILURE - 1):
        if lacks_most(report):
            report = verify(job, course_id, client, fresh=True)
    # If a person cancels at this moment, the page says that the copy will be deleted. So the job must not succeed.
    guard = {**(guard or {}), "cancel_requested_at__isnull": wanted}
    if report is not None and lacks_most(report):
        _fail_incomplete(job, course_id, report, guard, changes)
        return
    succeed(job, course_id, report, guard=guard, **changes)


def succeed(job: DuplicationJob, course_id: int, report: Report | None, /, *, guard: Guard, **changes: Any) -> None:
    """End a job as succeeded. ``report``: the comparison with the source; None if it is made later."""
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
    """Set the requested dates and ID number.

    If that fails, the copy still counts as complete, and its report lists the settings that differ.
    """
    *labels, last = [label for name, label in LABELS.items() if name in job.course_settings]
    names = f"{', '.join(labels)} and {last}" if labels else last
    were, them = ("were", "them") if labels else ("was", "it")
    why_not = set_after_copy(job, course_id, client)
    reason = f"The {names} could not be set: {why_not} Set {them} in Moodle." if why_not else f"The {names} {were} set."
    record_event(job, kind="settings_not_set" if why_not else "settings_set", reason=reason, guard=guard)


def _columns_of_copy(course_id: int, report: Report | None) -> dict[str, Any]:
    now = timezone.now()
    return {"course_id": course_id, "phase": Phase.RESTORE, "verification": report, "last_response_at": now}


def _fail_incomplete(
    job: DuplicationJob, course_id: int, report: Report, guard: Guard, changes: dict[str, Any]
) -> None:
    """End a job as failed because the copy lacks most of its source, whatever Moodle answered."""
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
    raw_error: RawError | None = None,
    **changes: Any,
) -> None:
    """End a job as failed.

    ``code``: Moodle's error code, or dupdash's own. ``message``: Moodle's message, or else a sentence of dupdash.
    ``reason``: the text of the event; by default it says that Moodle did not make the copy. ``data``: further data of
    the event.
    ``raw_error``: the error as Moodle sent it. ``guard`` and ``changes``: as for ``move_job``.
    """
    if raw_error is not None:
        changes["moodle_error"] = asdict(raw_error)
    move_job(
        job,
        State.FAILED,
        kind="failed",
        reason=reason or f"Moodle did not make this copy: {message_or_code(code, message)}",
        data={**data_of_error(code, message, raw_error), **(data or {})},
        guard=guard,
        failure_code=code[:100],
        failure_message=message,
        **changes,
    )


def data_of_error(code: str, message: str, raw_error: RawError | None) -> dict[str, Any]:
    """Return the data of an event that reports an error. ``raw_error`` replaces ``code`` and ``message``."""
    return {"errorcode": code, "message": message, **(asdict(raw_error) if raw_error else {})}


def cancel_unsent(job: DuplicationJob, *, guard: Guard = None) -> None:
    """End a cancelled job for which Moodle started nothing."""
    move_job(job, State.CANCELLED, kind="cancelled", reason="Cancelled. Nothing was started in Moodle.", guard=guard)


def columns_before_sending() -> dict[str, Any]:
    """Return the values of columns with which a job returns to the queue, as if nothing had been sent."""
    return {
        "dispatched_at": None,
        "sent_at": None,
        "baseline": None,
        "phase": "",
        # The observed courses belong to somebody else, or are gone.
        "evidence": {},
        "course_id": None,
        "proof": Proof.NONE,
        "likely_course_id": None,
        "restore_at": None,
        "content_at": None,
        "source_released_at": None,
        "moodle_done_at": None,
        "moodle_queue_ahead": None,
        "moodle_started_at": None,
        "reported_progress": 0.0,
        "reported_at": None,
        "checking_since": None,
        "check_at": None,
        "checks": 0,
        "answered_checks": 0,
        "request_error": "",
        "moodle_error": None,
    }


def retry_delay(attempts: int) -> timedelta:
    """Return the delay before the next attempt. It grows with ``attempts``, the number of attempts so far."""
    return timedelta(seconds=min(settings.RETRY_LONGEST, settings.RETRY_FIRST * 3.0 ** min(attempts - 1, 60)))


def start_checking(
    job: DuplicationJob,
    reason: str,
    *,
    errorcode: str = "",
    raw_error: RawError | None = None,
    done: bool = False,
    guard: Guard = None,
    **changes: Any,
) -> None:
    """Move a sent job to the state checking: the sweep checks in Moodle whether the copy was made.

    Meanwhile the job occupies no worker of the cluster for copies.
    ``reason``: a sentence about what happened. ``errorcode`` and ``raw_error``: Moodle's error, if it sent one.
    ``done``: Moodle has ended the request. ``guard`` and ``changes``: as for ``move_job``.
    """
    now = timezone.now()
    ended: dict[str, Any] = {"moodle_done_at": now, "source_released_at": job.source_released_at or now} if done else {}
    move_job(
        job,
        State.CHECKING,
        kind="checking",
        reason=f"{reason} dupdash checks in Moodle whether the copy was made.",
        data=({"errorcode": errorcode} | (asdict(raw_error) if raw_error else {})) if errorcode else None,
        guard=guard,
        request_error=errorcode[:100],
        moodle_error=asdict(raw_error) if raw_error else None,
        checking_since=now,
        paused_seconds=0,
        checks=0,
        answered_checks=0,
        check_at=now + timedelta(seconds=settings.CHECK_FIRST),
        **ended,
        **changes,
    )


def _delete_unwanted(
    job: DuplicationJob,
    course_id: int,
    client: MoodleClient,
    guard: Guard,
    retry_deletion: bool,
    changes: dict[str, Any],
) -> bool:
    """Delete the finished copy of a cancelled job and end the job. After a temporary error, a later check does this.

    Returns False if the copy stays in Moodle: an event gives the reason, and the job has not ended.
    """
    next_check = job.check_at
    if next_check is not None:
        # Another sweep must not delete the copy a second time.
        changes = {**changes, "check_at": after_a_deletion()}
    if changes:
        update_job(job, guard=guard, **changes)
    job.course_id = course_id
    try:
        outcome = delete_copy(job, client, complete=True, guard=guard)
    except (NotDeleted, MoodleError) as refusal:
        if retry_deletion and may_succeed_later(refusal):
            if job.state == State.RUNNING:
                lost = may_still_be_deleting(refusal)
                what = "It is not known whether the copy was deleted" if lost else "The copy is not deleted yet"
                start_checking(job, f"{what}: {refusal}", guard=guard)
                next_check = job.check_at
            # If the answer was lost, Moodle may still be deleting.
            update_job(job, check_at=after_a_deletion() if may_still_be_deleting(refusal) else next_check)
            return True
        # People must not delete a course that somebody uses.
        advice = "" if isinstance(refusal, CourseInUse) else f" Delete course {course_id} in Moodle."
        record_event(
            job,
            kind="cancelled_copy_kept",
            reason=f"The copy was not deleted: {refusal}{advice}",
            guard=guard,
            data={"course_id": course_id},
        )
        return False
    move_job(
        job,
        State.CANCELLED,
        kind="cancelled_copy_deleted",
        reason=f"Cancelled. {outcome}",
        guard=guard,
        course_deleted_at=timezone.now(),
    )
    return True


def after_a_deletion() -> datetime:
    """Return the time by which Moodle will have ended a deletion that begins now."""
    longest = min(DELETION_LONGEST, settings.MOODLE_DUPLICATION_TIMEOUT) + settings.MOODLE_CONNECT_TIMEOUT
    return timezone.now() + timedelta(seconds=longest)


def may_still_be_deleting(refusal: NotDeleted | MoodleError) -> bool:
    """Return whether Moodle may still be deleting the course after this error."""
    return isinstance(refusal, MayHaveStarted) and refusal.function == DELETE


def may_succeed_later(refusal: NotDeleted | MoodleError) -> bool:
    """Return whether a new deletion may succeed, for example because Moodle was down or its answer was lost."""
    if isinstance(refusal, ConfigurationFault):
        # This code means that the token may not delete courses at all.
        return refusal.errorcode != "accessexception"
    return not isinstance(refusal, NotDeleted | Refused)
