"""Applies the faults that were chosen for a call to its copy and to its answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dupdash.sandbox.duplication import Mishaps
from dupdash.sandbox.errors import SimulatedError, moodle_exception, php_error
from dupdash.sandbox.faults import COPYING, Fault
from dupdash.sandbox.http_messages import Reset, Response
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.protocol import error_answer
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import BACKUP

Struck = Mapping[str, Fault]
Outcome = Response | Reset

HTML = "text/html; charset=utf-8"

_GIVES_UP = ("reset_during", "gateway_timeout", "bad_gateway")
_DAMAGING = (*_GIVES_UP, "reset_after", "empty", "html", "truncated")
_NOTICE = b'<div class="alert alert-info">Deleted - Activities</div>\n'


def before_php(struck: Struck) -> Outcome | None:
    """Return the answer of a fault that strikes before Moodle gets the request, or None if there is no such fault."""
    if "reset_before" in struck:
        return Reset()
    if "forbidden" in struck:
        return Response(403, HTML, b"")
    if "site_down" in struck:
        return _SITE_DOWN[struck["site_down"].word("answer")]
    return None


def check_answer_types(struck: Struck) -> None:
    """Raise Moodle's error for an answer with a field of the wrong type, if this fault was chosen."""
    if "invalid_response" in struck:
        raise SimulatedError(
            "invalid_response_exception",
            "invalidresponse",
            "Invalid response value detected",
        )


def with_an_odd_record(value: Any) -> Any:
    """Return ``value`` without the name of its first record."""
    records = value["courses"] if isinstance(value, dict) else value
    odd = [{key: item for key, item in record.items() if key not in ("fullname", "name")} for record in records[:1]]
    return value | {"courses": odd + records[1:]} if isinstance(value, dict) else odd + records[1:]


def for_the_copy(struck: Struck) -> Mishaps:
    """Return what goes wrong in the copy of this call."""
    dies_in: str | None = None
    error: SimulatedError | None = None
    if "killed_in_backup" in struck:
        dies_in = BACKUP
    elif "killed_in_restore" in struck:
        dies_in = struck["killed_in_restore"].word("step")
    elif "exception_in_restore" in struck:
        dies_in = struck["exception_in_restore"].word("step")
        error = _restore_error(struck["exception_in_restore"].word("errorcode"))
    return Mishaps(
        slowness=struck["slow"].number("factor") if "slow" in struck else 1.0,
        dies_in=dies_in,
        error=error,
        stalls_in=struck["stall"].word("step") if "stall" in struck else None,
        collides="storedfilenotcreated" in struck,
        disturbed="disturbed" in struck,
    )


def _restore_error(errorcode: str) -> SimulatedError:
    if errorcode == "none":
        return php_error("Call to a member function get_id() on null")
    return moodle_exception(errorcode, f"error/{errorcode}")


def gives_up_at(struck: Struck) -> float | None:
    """Return the share of the copy after which a proxy stops waiting for Moodle, or None for never."""
    shares = [struck[name].number("at") for name in _GIVES_UP if name in struck]
    return min(shares, default=None)


def seconds_for_a_read(struck: Struck, function: str) -> float:
    """Return by how much a read is delayed. A normal lookup takes about 20 ms (measured)."""
    if "slow" not in struck or function in COPYING:
        return 0.0
    return 0.02 * struck["slow"].number("factor")


def about_another_course(moodle: Moodle, function: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a read, changed so that they name another course or duplication."""
    if function in COPYING:
        return params
    if function == "core_course_get_courses_by_field":
        return {"field": "id", "value": str(another_course(moodle.state, params))}
    if function == "core_course_async_duplicate_course_get_status":
        return {"duplicateid": moodle.duplications.other_than(params["duplicateid"])}
    return params | {"courseid": another_course(moodle.state, params)}


def naming_another_course(moodle: Moodle, function: str, value: Any, params: dict[str, Any]) -> Any:
    """Return the answer of a function that copies, changed so that it names another course or duplication."""
    if function == "core_course_async_duplicate_course":
        return {"duplicateid": moodle.duplications.other_than(value["duplicateid"])}
    if function == "core_course_duplicate_course":
        other = moodle.state.course(another_course(moodle.state, params))
        return {"id": other.id, "shortname": other.shortname} if other else value
    return value


def another_course(state: State, params: dict[str, Any]) -> int:
    asked = {str(params.get("courseid")), str(params.get("value"))}
    others = (course for course in state.courses()[1:] if not asked & {str(course.id), course.shortname})
    return next(others).id


def when_php_died(struck: Struck) -> Outcome:
    fault = struck.get("killed_in_backup") or struck.get("killed_in_restore")
    how = fault.word("answer") if fault else "reset"
    if how == "reset":
        return Reset()
    return Response(200, HTML, b"") if how == "empty" else proxy_error(502)


def damaged(struck: Struck) -> bool:
    return any(name in struck for name in _DAMAGING)


def damage(struck: Struck, response: Response) -> Outcome:
    if "reset_during" in struck or "reset_after" in struck:
        return Reset()
    if "gateway_timeout" in struck:
        return proxy_error(504)
    if "bad_gateway" in struck:
        return proxy_error(502)
    if "empty" in struck:
        return Response(200, response.content_type, b"")
    if "html" in struck:
        return Response(200, HTML, b"<!DOCTYPE html>\n<html><body><h1>Error</h1>Coding error detected</body></html>\n")
    if "truncated" in struck:
        return Response(200, response.content_type, response.body[: len(response.body) // 2])
    if "notice" in struck:
        return Response(200, response.content_type, _NOTICE * 3 + response.body)
    return response


def proxy_error(status: int) -> Response:
    """Return the error page that an nginx in front of Moodle would send."""
    title = {
        429: "429 Too Many Requests",
        502: "502 Bad Gateway",
        503: "503 Service Temporarily Unavailable",
        504: "504 Gateway Time-out",
    }[status]
    return Response(
        status,
        "text/html",
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode(),
    )


def _page(status: int, title: str) -> Response:
    return Response(status, HTML, f"<html><head><title>{title}</title></head><body>{title}</body></html>".encode())


_SITE_DOWN: dict[str, Response] = {
    "unavailable": proxy_error(503),
    "bad_gateway": proxy_error(502),
    "page": _page(200, "The site is undergoing maintenance"),
    "upgrade": error_answer(
        moodle_exception("upgraderunning", "Site is being upgraded, please retry later."), restformat="json"
    ),
    "blocked": _page(403, "Just a moment…"),
    "limited": replace(proxy_error(429), headers=(("Retry-After", "120"),)),
}
