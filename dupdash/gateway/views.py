"""The view ``/webservice/rest/server.php``: authenticates a call, runs its function and writes the answer.

The HTTP status is always 200, as in Moodle.
"""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.gateway import errors, serializers
from dupdash.gateway.call import Call
from dupdash.gateway.errors import ServiceError
from dupdash.gateway.form_data import fields_of
from dupdash.gateway.functions import FUNCTIONS
from dupdash.gateway.parameters import Tree, validate

logger = logging.getLogger("dupdash.gateway")

# Settings of Moodle's protocol that any call may have. dupdash ignores them.
SETTINGS = (
    "moodlewssettingraw",
    "moodlewssettingfileurl",
    "moodlewssettingfilter",
    "moodlewssettinglang",
    "moodlewssettingtimezone",
)


# CSRF protection is not needed: the view ignores cookies and sessions, only a token gives access.
@csrf_exempt
def server(request: HttpRequest) -> HttpResponse:
    """Answer one call. The token is never logged and never part of an answer."""
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
        # The client expects an answer in Moodle's format, whatever fails here.
        logger.exception("a web service call failed")
        content_type, body = serializers.error(errors.internal_error(), restformat)
    response = HttpResponse(body, content_type=content_type)
    response["Cache-Control"] = "no-store"
    # As in Moodle: pages of other sites may call, because a token is needed and cookies are ignored.
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _call(request: HttpRequest, given: dict[str, Tree]) -> object:
    text, name = given.pop("wstoken", ""), given.pop("wsfunction", "")
    for setting in SETTINGS:
        given.pop(setting, None)
    token = _authenticate(text)
    if not name or not isinstance(name, str):
        raise errors.invalid_parameter("Missing function name")
    function = FUNCTIONS.get(name)
    if function is None:
        raise errors.missing_record("external_functions")
    parameters = validate(function.parameters, given)
    return function.run(Call(token, parameters, request))


def _authenticate(text: Tree) -> ApiToken:
    token = tokens.find(text) if isinstance(text, str) else None
    if token is None:
        raise errors.invalid_token()
    if not token.owner.is_active:
        raise errors.access_exception(f"Refused web service access for suspended username: {token.owner}")
    if not tokens.admit(token):
        raise errors.rate_limited()
    return token
