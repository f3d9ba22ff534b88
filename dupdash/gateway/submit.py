"""``core_course_async_duplicate_course``: the same road that the form takes, from the draft to the job."""

import logging
from typing import NoReturn

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.duplication import idempotency, jobs
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import Draft, InvalidRequest, Problem, prepare
from dupdash.gateway import errors
from dupdash.gateway.call import Call
from dupdash.gateway.options import options_by_name
from dupdash.gateway.parameters import Parameter, flag, integer, short_text, text
from dupdash.moodle import options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError, Refused

logger = logging.getLogger("dupdash.gateway")

KEY_LONGEST = 255

PARAMETERS = {
    "id": Parameter(integer),
    "fullname": Parameter(text),
    "shortname": Parameter(text),
    "categoryid": Parameter(integer),
    "options": Parameter(options_by_name, required=False, default={}),
    # Beyond the proposal.
    "visible": Parameter(flag, required=False, default=True),
    "idempotencykey": Parameter(short_text(KEY_LONGEST), required=False, default=""),
}

# Moodle's order: of several problems a caller is told the first.
_ORDER = (
    "invalidparameter",
    "missingparam",
    "invalidcourseid",
    "invalidrecord",
    "invalidextparam",
    "backupprecheckerrors",
    "shortnametaken",
    "dmlwriteexception",
)


def duplicate(call: Call) -> dict[str, str]:
    """Take an order for a copy, and answer with its id before anything is done about it."""
    given = call.parameters
    draft = Draft(
        source=str(given["id"]),
        by_id=True,
        fullname=given["fullname"],
        shortname=given["shortname"],
        category_id=given["categoryid"],
        visible=given["visible"],
        options=options.effective(given["options"]),
        idempotency_key=given["idempotencykey"],
    )
    try:
        job = _submitted_before(call, draft) or _submit(call, draft)
    except InvalidRequest as refused:
        # The same call may have come twice at once, and the other one won: its job holds the name and the key.
        job = _submitted_before(call, draft) or _refuse(refused, call)
    return {"duplicateid": job.pk}


def _submitted_before(call: Call, draft: Draft) -> DuplicationJob | None:
    try:
        return idempotency.submitted_before(draft, call.parameters["id"], actor=call.owner)
    except InvalidRequest as refused:
        _refuse(refused, call)


def _submit(call: Call, draft: Draft) -> DuplicationJob:
    if not access.may_submit(call.owner):
        raise errors.no_permissions("You may see jobs, but not request copies.")
    try:
        with open_client() as client:
            return _send(call, draft, client)
    except NotAllowed as refusal:
        raise errors.no_permissions(str(refusal)) from None
    except Refused as refusal:
        # Moodle's own word on what dupdash's account asked it.
        raise errors.moodle_exception(refusal.errorcode, refusal.message) from None
    except MoodleError as error:
        # Whatever it is (away, a wrong token, maintenance), it happened while looking: there is no job.
        logger.warning("a web service could not submit a job: %s", error)
        raise errors.moodle_unreachable(error.message) from None


def _send(call: Call, draft: Draft, client: MoodleClient) -> DuplicationJob:
    try:
        request = prepare(draft, Origin.WEB_SERVICE, client)
    except InvalidRequest:
        # Nobody learns which courses there are by asking for copies of them: one that is not the caller's to copy and
        # one that there is not are refused in the same words.
        wish = access.RequestedCopy(call.parameters["id"], draft.category_id, dict(draft.options))
        access.require_submit(call.owner, wish, client)
        raise
    return jobs.submit(request, actor=call.owner, client=client, via=call.token.label)


def _refuse(refused: InvalidRequest, call: Call) -> NoReturn:
    first = min(refused.problems, key=_rank)
    is_own = first.job is not None and access.may_see(call.owner, first.job)
    raise as_service_error(first, in_full=is_own or access.sees_all_jobs(call.owner)) from None


def _rank(problem: Problem) -> int:
    return _ORDER.index(problem.code) if problem.code in _ORDER else len(_ORDER)


def as_service_error(problem: Problem, *, in_full: bool) -> errors.ServiceError:
    """What Moodle would say of the same fault; ``in_full`` names the course or the job that is in the way."""
    why = f"{problem.field}: {problem.words(in_full=in_full)}"
    match problem.code:
        case "invalidparameter" | "missingparam":
            return errors.invalid_parameter(why)
        case "invalidcourseid":
            return errors.invalid_course_id()
        case "invalidrecord":
            return errors.missing_record("course_categories")
        case "shortnametaken":
            return errors.short_name_taken(why)
        case "backupprecheckerrors":
            return errors.front_page()
        case "dmlwriteexception":
            return errors.write_failed(why)
        case code:
            return errors.moodle_exception(code, why)
