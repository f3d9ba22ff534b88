"""The web service function that starts all duplications of a list, or none (``…_async_duplicate_courses``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.callbacks import registration
from dupdash.duplication import idempotency
from dupdash.duplication.batch_actions import BatchSettings, InvalidBatch, submit_batch
from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_bulk_client
from dupdash.duplication.request import Draft, DuplicationRequest, InvalidRequest, check_short_name
from dupdash.gateway import errors
from dupdash.gateway.call import Call, warning
from dupdash.gateway.errors import ServiceError
from dupdash.gateway.parameters import Parameter, Tree, branches, short_text, validate
from dupdash.gateway.submit import PARAMETERS as SINGLE_PARAMETERS
from dupdash.gateway.submit import checked_callback_url, checked_request, draft_of, first_error, moodle_failed
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent

# Shorter than the column, because "#" and the index of each course are appended.
KEY_LONGEST = 240
LABEL_LONGEST = 200

COURSE_PARAMETERS = {
    name: one for name, one in SINGLE_PARAMETERS.items() if name not in ("idempotencykey", "callbackurl")
}


def parse_courses(name: str, given: Tree) -> list[dict[str, Any]]:
    """Return the typed parameters of each course. Raises ServiceError, which names the index of the course."""
    items = branches(name, given)
    if not items:
        raise errors.invalid_parameter(f"{name}: at least one course is expected")
    found = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise errors.invalid_parameter("an object is expected")
            found.append(validate(COURSE_PARAMETERS, item))
        except ServiceError as error:
            error.debuginfo = f"{name}[{index}]: {error.debuginfo or error.message}"
            raise
    return found


PARAMETERS = {
    "courses": Parameter(parse_courses),
    "label": Parameter(short_text(LABEL_LONGEST), required=False, default=""),
    "idempotencykey": Parameter(short_text(KEY_LONGEST), required=False, default=""),
    "callbackurl": SINGLE_PARAMETERS["callbackurl"],
}


@dataclass(frozen=True)
class Asked:
    """One copy that the call requests: the id of its source, and its draft."""

    source_id: int
    draft: Draft


def duplicate_many(call: Call) -> dict[str, list[dict[str, Any]]]:
    """Create a batch, and answer with the ids of its jobs in the order of the courses.

    If some courses cannot be copied, no job is created, and the answer has a warning for each of these courses.
    """
    callback_url = checked_callback_url(call.parameters["callbackurl"])
    key = call.parameters["idempotencykey"]
    asked = [
        Asked(given["id"], draft_of(given, idempotency_key=f"{key}#{index}" if key else ""))
        for index, given in enumerate(call.parameters["courses"])
    ]
    known = _submitted_before(call, asked)
    if known is not None:
        return _accepted(known, call, callback_url)
    if not access.may_submit(call.owner):
        raise errors.no_permissions("You may see jobs, but not request copies.")
    try:
        with open_bulk_client() as client:
            return _submit(call, asked, callback_url, client)
    except NotAllowed as refusal:
        raise errors.no_permissions(str(refusal)) from None
    except MoodleError as error:
        raise moodle_failed(error) from None


def _submit(
    call: Call, asked: Sequence[Asked], callback_url: str, client: BulkClient
) -> dict[str, list[dict[str, Any]]]:
    names = [one.draft.shortname.strip() for one in asked if not check_short_name(one.draft.shortname)]
    client.load(ids={one.source_id for one in asked}, shortnames=names)
    requests: dict[int, DuplicationRequest] = {}
    faults: dict[int, ServiceError] = {}
    for index, one in enumerate(asked):
        try:
            requests[index] = checked_request(call, one.draft, one.source_id, client)
            access.require_submit(call.owner, requests[index], client)
        except InvalidRequest as refused:
            faults[index] = first_error(refused.problems, call)
        except NotAllowed as refusal:
            faults[index] = errors.no_permissions(str(refusal))
        except (NotSent, ConfigurationFault):
            raise
        except MoodleError as error:
            faults[index] = moodle_failed(error)
    if faults:
        return _refused(faults)
    plural = "" if len(requests) == 1 else "s"
    label = call.parameters["label"].strip() or f"{len(requests)} course{plural} by {call.token.label}"
    batch_settings = BatchSettings(label, mail_results=True)
    try:
        batch = submit_batch(requests, batch_settings, actor=call.owner, client=client, via=call.token.label)
    except InvalidBatch as invalid:
        # Another call with the same key may have created the jobs in the meantime.
        known = _submitted_before(call, asked)
        if known is not None:
            return _accepted(known, call, callback_url)
        return _refused({index: first_error(problems, call) for index, problems in invalid.problems.items()})
    return _accepted(list(batch.jobs.order_by("batch_row")), call, callback_url)


def _submitted_before(call: Call, asked: Sequence[Asked]) -> list[DuplicationJob] | None:
    """Return the jobs that an earlier call with the same idempotency key created, or None if there was no such call.

    Raises ServiceError if that call requested other copies.
    """
    if not asked[0].draft.idempotency_key:
        return None
    keys = [one.draft.idempotency_key for one in asked]
    beyond = f"{call.parameters['idempotencykey']}#{len(asked)}"
    jobs: dict[str, DuplicationJob] = {}
    for start in range(0, len(keys), 400):
        found = DuplicationJob.objects.filter(requester=call.owner, idempotency_key__in=keys[start : start + 400])
        jobs |= {job.idempotency_key: job for job in found}
    if not jobs:
        return None
    longer = idempotency.job_with_key(beyond, actor=call.owner) is not None
    same = all(
        key in jobs and idempotency.asks_for(jobs[key], one.draft, one.source_id)
        for key, one in zip(keys, asked, strict=True)
    )
    if longer or not same:
        raise errors.invalid_parameter("idempotencykey: This key was used before, for other courses.")
    return [jobs[key] for key in keys]


def _accepted(jobs: Sequence[DuplicationJob], call: Call, callback_url: str) -> dict[str, list[dict[str, Any]]]:
    for job in jobs:
        registration.register(job, call.token, callback_url)
    return {"duplicates": [{"duplicateid": job.pk} for job in jobs], "warnings": []}


def _refused(faults: Mapping[int, ServiceError]) -> dict[str, list[dict[str, Any]]]:
    """Return the answer with a warning for each course that cannot be copied. ``itemid`` is the index of the course."""
    warnings = [
        warning("course", index, fault.errorcode, f"{fault.message} {fault.debuginfo}".strip())
        for index, fault in sorted(faults.items())
    ]
    return {"duplicates": [], "warnings": warnings}
