"""The web service function that cancels a duplication (``core_course_async_duplicate_course_cancel``)."""

from contextlib import suppress

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.gateway import errors
from dupdash.gateway.call import Call
from dupdash.gateway.job_lookup import visible_job

# If a job changes at the same moment, for example from queued to running, cancelling is tried again.
ATTEMPTS = 3


def cancel(call: Call) -> dict[str, str]:
    """Cancel a job, and answer with its state. A job that has ended keeps its state.

    A waiting job is cancelled at once. If Moodle has begun the copy, the job keeps its state until Moodle has stopped
    the copy, or until Moodle has finished the copy and dupdash has deleted it.
    """
    job = visible_job(call)
    try:
        access.require(call.owner, Action.CANCEL, job)
    except NotAllowed as refusal:
        raise errors.no_permissions(str(refusal)) from None
    for _ in range(ATTEMPTS):
        if job.can_be_cancelled:
            with suppress(CannotDo):
                jobs.cancel(job, actor=call.owner, via=call.token.label)
            job.refresh_from_db()
        if not job.can_be_cancelled:
            return {"duplicateid": job.pk, "state": job.state}
    raise errors.write_failed("The job changed at the same moment. Call again.")
