"""The web service function that starts a duplication (``core_course_async_duplicate_course``).

The call takes the same steps as the request form: draft, checks, permissions, job.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.callbacks import registration
from dupdash.callbacks.url_check import InvalidUrl, check_callback_url
from dupdash.duplication import idempotency, jobs
from dupdash.duplication.course_dates import day_of
from dupdash.duplication.models import IDNUMBER_LONGEST, DuplicationJob, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import Draft, DuplicationRequest, InvalidRequest, Problem, prepare
from dupdash.gateway import errors
from dupdash.gateway.call import Call
from dupdash.gateway.options import options_by_name
from dupdash.gateway.parameters import Parameter, Tree, flag, integer, short_text, shown, text
from dupdash.moodle import options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError, Refused

logger = logging.getLogger("dupdash.gateway")

KEY_LONGEST = 255

# The highest Unix timestamp that the Moodle plugin accepts.
MOMENT_MOST = 9_999_999_999


def calendar_date(name: str, given: Tree) -> date:
    """Return the calendar date of a Unix timestamp, in the time zone of the Moodle site. Raises ServiceError."""
    moment = integer(name, given)
    day = day_of(moment) if 0 < moment <= MOMENT_MOST else None
    if day is None:
        raise errors.invalid_parameter(f"{shown(name)}: a Unix timestamp from 1 to {MOMENT_MOST} is expected")
    return day


PARAMETERS = {
    "id": Parameter(integer),
    "fullname": Parameter(text),
    "shortname": Parameter(text),
    "categoryid": Parameter(integer),
    "options": Parameter(options_by_name, required=False, default={}),
    # The proposal (MDL-64916) does not have these parameters.
    "visible": Parameter(flag, required=False, default=True),
    "startdate": Parameter(calendar_date, required=False),
    "enddate": Parameter(calendar_date, required=False),
    "idnumber": Parameter(short_text(IDNUMBER_LONGEST), required=False, default=""),
    "idempotencykey": Parameter(short_text(KEY_LONGEST), required=False, default=""),
    "callbackurl": Parameter(text, required=False, default=""),
}

# The order in which Moodle checks. If a request has several problems, the answer names the first one.
_ORDER = (
    "invalidparameter",
    "missingparam",
    "invalidcourseid",
    "invalidrecord",
    "invalidextparam",
    "backupprecheckerrors",
    "nostartdatenoenddate",
    "enddatebeforestartdate",
    "shortnametaken",
    "courseidnumbertaken",
    "dmlwriteexception",
)


def duplicate(call: Call) -> dict[str, str]:
    """Create a job, and answer with its id; for a repeated idempotency key, with the id of the earlier job."""
    callback_url = checked_callback_url(call.parameters["callbackurl"])
    draft = draft_of(call.parameters, idempotency_key=call.parameters["idempotencykey"])
    try:
        job = _submitted_before(call, draft) or _submit(call, draft)
    except InvalidRequest as refused:
        # Another call with the same key may have created the job in the meantime.
        known = _submitted_before(call, draft)
        if known is None:
            raise first_error(refused.problems, call) from None
        job = known
    registration.register(job, call.token, callback_url)
    return {"duplicateid": job.pk}


def draft_of(given: Mapping[str, Any], *, idempotency_key: str) -> Draft:
    """Build the draft of one copy from its typed parameters."""
    return Draft(
        source=str(given["id"]),
        by_id=True,
        fullname=given["fullname"],
        shortname=given["shortname"],
        category_id=given["categoryid"],
        visible=given["visible"],
        options=options.effective(given["options"]),
        startdate=given["startdate"],
        enddate=given["enddate"],
        idnumber=given["idnumber"],
        idempotency_key=idempotency_key,
    )


def checked_callback_url(url: str) -> str:
    try:
        if url:
            check_callback_url(url)
    except InvalidUrl as invalid:
        raise errors.invalid_parameter(f"callbackurl: {invalid}") from None
    return url


def _submitted_before(call: Call, draft: Draft) -> DuplicationJob | None:
    """Return the job that an earlier call with the same idempotency key created, or None if there was no such call.

    Raises ServiceError if that call requested something else.
    """
    job = idempotency.job_with_key(draft.idempotency_key, actor=call.owner)
    if job is not None and not idempotency.asks_for(job, draft, call.parameters["id"]):
        used = Problem("idempotencykey", "invalidparameter", "This key was used before, for another request.", job)
        raise first_error([used], call)
    return job


def _submit(call: Call, draft: Draft) -> DuplicationJob:
    if not access.may_submit(call.owner):
        raise errors.no_permissions("You may see jobs, but not request copies.")
    try:
        with open_client() as client:
            return _create_job(call, draft, client)
    except NotAllowed as refusal:
        raise errors.no_permissions(str(refusal)) from None
    except MoodleError as error:
        raise moodle_failed(error) from None


def moodle_failed(error: MoodleError) -> errors.ServiceError:
    """Return the error for a call that failed because dupdash could not read from Moodle. No job was created."""
    if isinstance(error, Refused):
        # Moodle refused a read of dupdash's account, and its own code and message are passed on.
        return errors.moodle_exception(error.errorcode, error.message)
    # Moodle is down, in maintenance or refuses the token.
    logger.warning("a web service call could not create a job: %s", error)
    return errors.moodle_unreachable(error.message)


def checked_request(call: Call, draft: Draft, source_id: int, client: MoodleClient) -> DuplicationRequest:
    """Return the draft as a checked request. Raises InvalidRequest, NotAllowed and MoodleError.

    An invalid draft raises NotAllowed if the caller must not copy its source, so that nobody learns which courses
    exist. The permission for a valid request is not checked here.
    """
    try:
        return prepare(draft, Origin.WEB_SERVICE, client)
    except InvalidRequest:
        copy = access.RequestedCopy(source_id, draft.category_id, dict(draft.options))
        access.require_submit(call.owner, copy, client)
        raise


def _create_job(call: Call, draft: Draft, client: MoodleClient) -> DuplicationJob:
    request = checked_request(call, draft, call.parameters["id"], client)
    return jobs.submit(request, actor=call.owner, client=client, via=call.token.label)


def first_error(problems: Iterable[Problem], call: Call) -> errors.ServiceError:
    """Return the error for the problem that Moodle would report first.

    If the problem is a taken short name, the error names the job that has it to callers who may see the job, and the
    course that has it to callers who see all jobs.
    """
    first = min(problems, key=_order)
    is_own = first.job is not None and access.may_see(call.owner, first.job)
    return as_service_error(first, in_full=is_own or access.sees_all_jobs(call.owner))


def _order(problem: Problem) -> int:
    return _ORDER.index(problem.code) if problem.code in _ORDER else len(_ORDER)


def as_service_error(problem: Problem, *, in_full: bool) -> errors.ServiceError:
    """Return Moodle's error for a problem. ``in_full``: it names the course or job that has the short name."""
    why = f"{problem.field}: {problem.text(in_full=in_full)}"
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
