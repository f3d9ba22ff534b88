"""Cancels a duplication (``…_cancel``)."""

from contextlib import suppress

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.jobs import CannotDo
from dupdash.duplication.models import DuplicationJob
from dupdash.gateway import errors
from dupdash.gateway.call import Call
from dupdash.gateway.job_lookup import visible_job

# A job may change at the same moment, for example from queued to running; then cancelling is tried again.
ATTEMPTS = 3


def cancel(call: Call) -> dict[str, str]:
    """Cancel a job and answer with its state. A job that has ended keeps its state.

    A waiting job is cancelled at once. Moodle cannot stop a copy that is being made: dupdash removes the copy when
    Moodle is done, and the job keeps its state until then.
    """
    job = visible_job(call)
    try:
        access.require(call.owner, Action.CANCEL, job)
    except NotAllowed as refusal:
        raise errors.no_permissions(str(refusal)) from None
    for _ in range(ATTEMPTS):
        if _can_be_cancelled(job):
            with suppress(CannotDo):
                jobs.cancel(job, actor=call.owner, via=call.token.label)
            job.refresh_from_db()
        if not _can_be_cancelled(job):
            return {"duplicateid": job.pk, "state": job.state}
    raise errors.write_failed("The job changed at the same moment. Call again.")


def _can_be_cancelled(job: DuplicationJob) -> bool:
    return not job.is_terminal and job.cancel_requested_at is None
