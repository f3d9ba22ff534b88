"""The web service function that returns how a duplication ended (``…_get_result``): the new course, or the error."""

from typing import Any

from dupdash.accounts import access
from dupdash.duplication.engine.verification import why_not_verified
from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.gateway.call import Call, warning
from dupdash.gateway.job_lookup import visible_job
from dupdash.gateway.status import STATUS, timestamp
from dupdash.moodle.records import FINISHED_ERR


def get_result(call: Call) -> dict[str, Any]:
    """Return the state of a job with its result. Parts of the result that do not exist (yet) are None.

    No key is called ``errorcode`` or ``message``, because Moodle's clients would take the answer for an error.
    """
    job = visible_job(call)
    code, message = _failure(job, in_full=access.sees_all_jobs(call.owner))
    result = {
        "duplicateid": job.pk,
        "state": job.state,
        "courseid": job.course_id if job.state == State.SUCCEEDED else None,
        "shortname": job.shortname,
        "failurecode": code,
        "failuremessage": message,
        "partialcourseid": job.course_id if job.left_partial_course else None,
        "timecreated": timestamp(job.created_at),
        "timestarted": timestamp(job.started_at),
        "timefinished": timestamp(job.finished_at),
        "warnings": _warnings(job),
    }
    if job.state == State.SUCCEEDED and job.moodle_report is not None:
        result["report"] = job.moodle_report
    return result


def _warnings(job: DuplicationJob) -> list[dict[str, Any]]:
    """Return one warning if a finished copy differs from its source or could not be compared, otherwise []."""
    if why := why_not_verified(job.verification):
        code, message = "notverified", f"The copy could not be compared with its source. {why}"
    elif job.differs:
        code, message = "differs", "The copy differs from its source."
    else:
        return []
    return [warning("course", job.course_id, code, message)]


def _failure(job: DuplicationJob, *, in_full: bool) -> tuple[str | None, str | None]:
    """Return the code and message of a job with status 900, which ended without success or is unresolved.

    Both are None for other jobs. A refused, cancelled or unresolved job without an error code has its state as code,
    and the reason for this state as message. ``in_full``: with Moodle's own message, which can name courses that the
    caller must not see.
    """
    if STATUS[State(job.state)] != FINISHED_ERR:
        return None, None
    message = job.failure_message if in_full else ""
    if not in_full and job.state == State.FAILED:
        message = explain_failure(job).happened
    if not message:
        last = job.events.filter(to_state=job.state).exclude(from_state=job.state).last()
        message = last.reason if last else job.get_state_display()
    return job.failure_code or job.state, message
