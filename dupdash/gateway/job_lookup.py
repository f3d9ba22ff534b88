"""Finds the jobs that a caller may see, by the ids that the call names.

An id that does not exist and the id of another person's job get the same answer, so nobody learns which ids exist.
"""

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.gateway.call import Call
from dupdash.gateway.errors import ServiceError, missing_record
from dupdash.gateway.parameters import Parameter, identifier, identifiers

# The parameters of the functions that read or change existing jobs.
ONE_ID = {"duplicateid": Parameter(identifier)}
MANY_IDS = {"duplicateids": Parameter(identifiers)}


def visible_job(call: Call) -> DuplicationJob:
    """Return the job that the call names. Raises ServiceError as ``require_visible`` does."""
    return require_visible(call, DuplicationJob.objects.filter(pk=call.parameters["duplicateid"]).first())


def require_visible(call: Call, job: DuplicationJob | None) -> DuplicationJob:
    """Return ``job``. Raises ServiceError (``invalidrecord``) if it is None or the caller may not see it."""
    if job is None or not access.may_see(call.owner, job):
        raise unknown_job()
    return job


def unknown_job() -> ServiceError:
    return missing_record("duplication_duplicationjob")
