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
    """Return the result of a job, or its state if it has not ended.

    The keys are not called ``errorcode`` or ``message``: Moodle's clients would take the answer for an error.
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
    """Return a warning if the verification of a finished copy found differences or was not possible."""
    if why := why_not_verified(job.verification):
        code, message = "notverified", f"The copy could not be compared with its source. {why}"
    elif job.differs:
        code, message = "differs", "The copy differs from its source."
    else:
        return []
    return [warning("course", job.course_id, code, message)]


def _failure(job: DuplicationJob, *, in_full: bool) -> tuple[str | None, str | None]:
    """Return the error code and message of a job with status 900; None and None for other jobs.

    ``in_full``: return Moodle's own message, which may name courses that not every caller may see.
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
