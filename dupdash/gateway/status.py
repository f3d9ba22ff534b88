"""How far duplications are, why one failed, and what course came of it.

An id that there is not and somebody else's are one and the same to the caller: which ids exist is nobody's business.
"""

from typing import Any

from dupdash.accounts import access
from dupdash.duplication.engine.verification import differs, why_not_verified
from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from dupdash.gateway.call import Call
from dupdash.gateway.errors import ServiceError, missing_record
from dupdash.gateway.parameters import Parameter, identifier, many

BACKUP, RESTORE = 1, 2

# Moodle's codes (backup::STATUS_*), and what a job's state is in them.
AWAITING, EXECUTING, FINISHED_ERR, FINISHED_OK = 700, 800, 900, 1000
STATUS = {
    State.AWAITING_APPROVAL: AWAITING,
    State.QUEUED: AWAITING,
    State.RUNNING: EXECUTING,
    State.CHECKING: EXECUTING,
    State.SUCCEEDED: FINISHED_OK,
    State.FAILED: FINISHED_ERR,
    State.REJECTED: FINISHED_ERR,
    State.CANCELLED: FINISHED_ERR,
    # Nothing is known for certain, and a caller must not wait for ever: a later look may still turn it into 1000.
    State.UNRESOLVED: FINISHED_ERR,
}

ONE = {"duplicateid": Parameter(identifier)}
MANY = {"duplicateids": Parameter(many(identifier))}

# What ``progress`` reads. A column that is missing here costs a query, which a test would notice.
COLUMNS = (
    "state",
    "requester_id",
    "driver",
    "phase",
    "sent_at",
    "seen_at",
    "restore_at",
    "content_at",
    "expected_backup",
    "expected_restore",
    "source_activities",
    "progress_floor",
)


# Clients poll this. Building the same query from a QuerySet takes three times as long as running it (measured).
_BY_ID = f"SELECT id, {', '.join(COLUMNS)} FROM {DuplicationJob._meta.db_table} WHERE id = %s"  # noqa: S608


def get_status(call: Call) -> dict[str, Any]:
    found = DuplicationJob.objects.raw(_BY_ID, [call.parameters["duplicateid"]])
    return _status(_visible(call, next(iter(found), None)))


def get_statuses(call: Call) -> dict[str, Any]:
    """Of many in one call. As Moodle does where a list may hold strangers: those are left out, and warned of."""
    asked = call.parameters["duplicateids"]
    jobs = access.visible_jobs(call.owner).only(*COLUMNS).in_bulk(list(dict.fromkeys(asked)))
    return {
        "statuses": [{"duplicateid": id, **_status(jobs[id])} for id in asked if id in jobs],
        "warnings": [_warning(place, id) for place, id in enumerate(asked) if id not in jobs],
    }


def get_result(call: Call) -> dict[str, Any]:
    """How it ended, as far as it has. ``errorcode`` at this place would look like an error to Moodle's clients."""
    job = _visible(call, DuplicationJob.objects.filter(pk=call.parameters["duplicateid"]).first())
    code, message = _failure(job, in_full=access.sees_all_jobs(call.owner))
    return {
        "duplicateid": job.pk,
        "state": job.state,
        "courseid": job.course_id if job.state == State.SUCCEEDED else None,
        "shortname": job.shortname,
        "failurecode": code,
        "failuremessage": message,
        "partialcourseid": job.course_id if job.left_partial_course else None,
        "warnings": _warnings_of(job),
    }


def _warnings_of(job: DuplicationJob) -> list[dict[str, Any]]:
    """What a finished copy is not, in the form of Moodle's ``external_warnings``."""
    if why := why_not_verified(job.verification):
        code, message = "notverified", f"The copy could not be held against its source. {why}"
    elif differs(job.verification):
        code, message = "differs", "The copy differs from its source."
    else:
        return []
    return [{"item": "course", "itemid": job.course_id, "warningcode": code, "message": message}]


def _visible(call: Call, job: DuplicationJob | None) -> DuplicationJob:
    if job is None or not access.may_see(call.owner, job):
        raise _unknown()
    return job


def _unknown() -> ServiceError:
    return missing_record("duplication_duplicationjob")


def _warning(place: int, job_id: str) -> dict[str, Any]:
    """In the form of Moodle's ``external_warnings``; ``itemid`` is the place in the list, for it must be a number."""
    unknown = _unknown()
    return {
        "item": "duplicateid",
        "itemid": place,
        "warningcode": unknown.errorcode,
        "message": f"{unknown.message} {job_id}",
    }


def _status(job: DuplicationJob) -> dict[str, Any]:
    restoring = job.phase == Phase.RESTORE or job.state == State.SUCCEEDED
    return {
        "phase": RESTORE if restoring else BACKUP,
        "status": STATUS[State(job.state)],
        "progress": _figure(progress(job).number),
    }


def _figure(number: float) -> float:
    """Six digits, and 1 for what is done alone."""
    return 1.0 if number >= 1 else min(round(number, 6), 0.999999)


def _failure(job: DuplicationJob, *, in_full: bool) -> tuple[str | None, str | None]:
    """Why a job ended without a copy, or is believed to have; nothing for all others.

    ``in_full``: in Moodle's own words, which may name courses that are not everybody's to know of.
    """
    if STATUS[State(job.state)] != FINISHED_ERR:
        return None, None
    told = job.failure_message if in_full else ""
    if not in_full and job.state == State.FAILED:
        told = explain_failure(job).happened
    if not told:
        last = job.events.filter(to_state=job.state).exclude(from_state=job.state).last()
        told = last.reason if last else job.get_state_display()
    return job.failure_code or job.state, told
