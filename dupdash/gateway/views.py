"""Answers calls of ``/webservice/rest/server.php``: authenticates the call and runs its function.

The HTTP status is always 200, as in Moodle.
"""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import DuplicationJob
from dupdash.gateway import errors, serializers
from dupdash.gateway.call import Call
from dupdash.gateway.errors import ServiceError
from dupdash.gateway.form_data import fields_of
from dupdash.gateway.function_list import FUNCTIONS
from dupdash.gateway.parameters import Tree, is_identifier, validate
from dupdash.row_reader import Columns

logger = logging.getLogger("dupdash.gateway")

# Parameters of Moodle's protocol that any call may have. dupdash ignores them.
SETTINGS = (
    "moodlewssettingraw",
    "moodlewssettingfileurl",
    "moodlewssettingfilter",
    "moodlewssettinglang",
    "moodlewssettingtimezone",
)


def server(request: HttpRequest) -> HttpResponse:
    """Answer one call. The token is never logged and never part of an answer.

    CSRF protection is not needed: cookies and sessions are ignored, and only a token gives access.
    """
    restformat = "xml"
    try:
        given = fields_of(request)
        if given.pop("moodlewsrestformat", "xml") == "json":
            restformat = "json"
        content_type, body = serializers.answer(_call(request, given), restformat)
    except ServiceError as refusal:
        content_type, body = serializers.error(refusal, restformat)
    except DatabaseError:
        logger.exception("a web service call failed: database error")
        content_type, body = serializers.error(errors.write_failed(), restformat)
    except Exception:
        # The client expects an answer in Moodle's format, even after an unexpected exception.
        logger.exception("a web service call failed")
        content_type, body = serializers.error(errors.internal_error(), restformat)
    response = HttpResponse(body, content_type=content_type)
    response["Cache-Control"] = "no-store"
    # As in Moodle, pages of other sites may call, because a call needs a token and cookies are ignored.
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _call(request: HttpRequest, given: dict[str, Tree]) -> object:
    text, name = given.pop("wstoken", ""), given.pop("wsfunction", "")
    for setting in SETTINGS:
        given.pop(setting, None)
    function = FUNCTIONS.get(name) if isinstance(name, str) else None
    columns = function.job_columns if function is not None else None
    token, job = _authenticate(text, given.get("duplicateid"), columns)
    if not name or not isinstance(name, str):
        raise errors.invalid_parameter("Missing function name")
    if function is None:
        raise errors.missing_record("external_functions")
    parameters = validate(function.parameters, given)
    return function.run(Call(token, parameters, request, job))


def _authenticate(
    text: Tree, job_id: Tree | None, columns: Columns[DuplicationJob] | None
) -> tuple[ApiToken, DuplicationJob | None]:
    """Return the token, and the job if ``columns`` names columns to read; the job is None if it does not exist.

    Raises ServiceError if the token is unknown, its owner is inactive, or it was used for too many calls.
    A malformed job id is reported later, when the parameters are parsed.
    """
    if columns is not None and (not isinstance(job_id, str) or not is_identifier(job_id)):
        columns = None
    token, job = tokens.find_with_job(text, str(job_id), columns) if isinstance(text, str) else (None, None)
    if token is None:
        raise errors.invalid_token()
    if not token.owner.is_active:
        raise errors.access_exception(f"Refused web service access for suspended username: {token.owner}")
    if not tokens.admit(token):
        raise errors.rate_limited()
    return token, job
