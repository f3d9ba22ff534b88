"""Answers ``webservice/rest/server.php`` and ``login/token.php``: authenticates, calls the function, applies faults."""

from typing import Any

from dupdash.sandbox import fault_behaviour
from dupdash.sandbox.accounts import PASSWORD, SERVICES, Session, session_for, token_of
from dupdash.sandbox.errors import (
    SimulatedError,
    access_exception,
    invalid_parameter,
    invalid_token,
    missing_record,
    site_maintenance,
)
from dupdash.sandbox.fault_behaviour import HTML, Outcome, Struck
from dupdash.sandbox.faults import COPYING
from dupdash.sandbox.functions import OUTSIDE_THE_SERVICE, PLUGIN, PROPOSED, STANDARD, Call, ServiceFunction
from dupdash.sandbox.functions.call import Died, GaveUp
from dupdash.sandbox.http_messages import Request, Response
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.parameters import validate
from dupdash.sandbox.protocol import answer, error_answer, parse_fields, php_json, unflatten

# Parameters of the protocol, which are not passed to the functions.
_SETTINGS = ("moodlewssettingraw", "moodlewssettingfileurl", "moodlewssettingfilter", "moodlewssettinglang")


def serve_function(moodle: Moodle, request: Request) -> Outcome:
    if not moodle.switches.webservices:
        return Response(403, HTML, b"")
    params = unflatten(parse_fields(request.query, request.body))
    token, function = str(params.pop("wstoken", "")), str(params.pop("wsfunction", ""))
    restformat = "json" if params.pop("moodlewsrestformat", "xml") == "json" else "xml"
    raw = str(params.get("moodlewssettingraw", "")) in ("1", "true")
    for setting in _SETTINGS:
        params.pop(setting, None)
    struck = moodle.faults.strike(function)
    if outcome := fault_behaviour.before_php(struck):
        return outcome
    return _php(moodle, token, function, restformat, params, struck, raw=raw)


def _php(
    moodle: Moodle, token: str, function: str, restformat: str, params: dict[str, Any], struck: Struck, *, raw: bool
) -> Outcome:
    calls, shortname = moodle.copies.calls, str(params.get("shortname", ""))
    if function in COPYING:
        calls.count(calls.asked, shortname)
    moodle.pace.stopping.wait(fault_behaviour.seconds_for_a_read(struck, function))
    try:
        value = _call(moodle, token, function, params, struck, raw=raw)
        response = answer(value, restformat)
    except SimulatedError as error:
        if function in COPYING and not error.left_a_course and not fault_behaviour.damaged(struck):
            calls.count(calls.refused, shortname)
        response = error_answer(error, restformat)
    except Died:
        return fault_behaviour.when_php_died(struck)
    except GaveUp:
        response = Response(200, HTML, b"")
    return fault_behaviour.damage(struck, response)


def _call(moodle: Moodle, token: str, function: str, params: dict[str, Any], struck: Struck, *, raw: bool) -> Any:
    session = _authenticate(moodle, token)
    offered = offered_functions(moodle, session)
    service_function = offered.get(function) or _explain_missing(function)
    cleaned = validate(service_function.parameters, params)
    fault_behaviour.check_answer_types(struck)
    if "wrong_course" in struck:
        cleaned = fault_behaviour.about_another_course(moodle, function, cleaned)
    value = service_function.run(
        Call(
            moodle,
            session,
            cleaned,
            gives_up_at=fault_behaviour.gives_up_at(struck),
            mishaps=fault_behaviour.for_the_copy(struck),
            persons_restore="persons_restore" in struck,
            offered=tuple(offered),
            raw=raw,
        )
    )
    if "odd_record" in struck:
        return fault_behaviour.with_an_odd_record(value)
    if "wrong_course" in struck:
        return fault_behaviour.naming_another_course(moodle, function, value, cleaned)
    return value


def _authenticate(moodle: Moodle, token: str) -> Session:
    session = None if moodle.switches.tokens_revoked else session_for(moodle.state, token)
    if session is None:
        raise invalid_token()
    if moodle.switches.maintenance and session.user.role != "admin":
        raise site_maintenance()
    return session


def offered_functions(moodle: Moodle, session: Session) -> dict[str, ServiceFunction]:
    """Return the functions that the token may call. ``core_webservice_get_site_info`` lists the same functions."""
    lacks = session.lacks | moodle.switches.withdrawn
    every = dict(STANDARD)
    if moodle.offers == "plugin":
        every |= PLUGIN
    elif moodle.offers == "proposed":
        every |= PROPOSED
    return {name: function for name, function in every.items() if name not in lacks}


def _explain_missing(function: str) -> ServiceFunction:
    if not function:
        raise invalid_parameter()
    if function in OUTSIDE_THE_SERVICE or function in STANDARD:
        raise access_exception()
    raise missing_record("external_functions")


def serve_token(moodle: Moodle, request: Request) -> Response:
    """Answer ``login/token.php``, which exchanges a username and a password for a token."""
    params = unflatten(parse_fields(request.query, request.body))
    user = moodle.state.user_named(str(params.get("username", "")).casefold())
    if not moodle.switches.webservices:
        return _token_error("Web services must be enabled in Advanced features.", "enablewsdescription")
    for required in ("username", "password", "service"):
        if required not in params:
            return _token_error(f"A required parameter ({required}) was missing", "missingparam")
    if user is None or params["password"] != PASSWORD:
        return _token_error("Invalid login, please try again", "invalidlogin")
    if moodle.switches.maintenance and user.role != "admin":
        return _token_error(site_maintenance().message, "sitemaintenance")
    if params["service"] not in SERVICES:
        return _token_error(
            "Web service is not available (it doesn't exist or might be disabled)", "servicenotavailable"
        )
    return _token_answer({"token": token_of(user), "privatetoken": None})


def _token_error(message: str, errorcode: str) -> Response:
    return _token_answer(
        {
            "error": message,
            "errorcode": errorcode,
            "stacktrace": None,
            "debuginfo": None,
            "reproductionlink": None,
        }
    )


def _token_answer(value: dict[str, Any]) -> Response:
    return Response(200, "application/json; charset=utf-8", php_json(value))
