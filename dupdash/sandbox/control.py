"""Lets another process control and inspect the sandbox through ``/sandbox/control``.

Moodle has no such endpoint. It takes and returns JSON, and needs no token.

``GET /sandbox/control`` answers::

    {"faults": ["html"],
     "struck": {"html": 3},
     "copies": [{"shortname": …, "step": "renamed", "stalled": false}],
     "calls": {"asked": {…}, "started": {…}, "created": {…}, "refused": {…}, "most_at_once": 2,
               "deleted": [{"id": 370, "shortname": …, "origin": "copy", "requested": …, "visible": …, "complete": …,
                            "sections": 4, "modules": 12}]}}

``calls`` counts by case-folded short name, and lists the courses that were deleted through the web service;
``call_counter.py`` explains the counts.

``GET /sandbox/control/courses`` answers ``{"courses": [{"id", "shortname", "fullname", "visible", "category",
"sections", "modules", "complete", "copying", "origin", "requested"}]}``, with all courses except the front page.
``complete`` is false for a copy that is not finished, ``copying`` is false if nothing works on it any more. ``origin``
is ``seed``, ``copy``, ``person`` (restored by hand) or ``created``. ``requested`` is the short name in the request for
the copy.

``POST /sandbox/control`` takes an object with any of these keys, applies them in this order, and answers like ``GET``:

================== ==================================================================================
``clear``          true: remove every fault
``fault``          a fault as ``--fault`` takes it, as an object with ``name`` and parameters, or a list
``maintenance``    true or false; an administrator's token is let through
``webservices``    false: 403 with an empty body
``tokens_revoked`` true: every token is invalid
``hold``           a list of steps (backup, hidden, renamed, content) in which copies wait
``release``        a list of steps; true for all
================== ==================================================================================

An invalid request is answered with 400 and ``{"error": …}``; what follows the error is not applied.
"""

import json
from collections.abc import Callable
from typing import Any

from dupdash.sandbox.faults import Fault, make_fault, parse_fault
from dupdash.sandbox.http_messages import Request, Response
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.validation import FRONT_PAGE

PATH = "/sandbox/control"


def serve_control(moodle: Moodle, request: Request) -> Response:
    if request.path == f"{PATH}/courses":
        return _json(200, {"courses": _courses(moodle)})
    if request.path != PATH:
        return _json(404, {"error": f"the paths are {PATH} and {PATH}/courses"})
    if request.method == "POST":
        try:
            _apply(moodle, request.body)
        except ValueError as error:
            return _json(400, {"error": str(error)})
    return _json(200, _status(moodle))


def _apply(moodle: Moodle, body: bytes) -> None:
    commands = json.loads(body)
    if not isinstance(commands, dict):
        raise ValueError("the body must be a JSON object")
    unknown = set(commands) - set(_COMMANDS)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_COMMANDS)}")
    for command, act in _COMMANDS.items():
        if command in commands:
            act(moodle, commands[command])


def _clear(moodle: Moodle, value: Any) -> None:
    if _flag("clear", value):
        moodle.faults.clear()


def _set_faults(moodle: Moodle, value: Any) -> None:
    for fault in [_fault(one) for one in (value if isinstance(value, list) else [value])]:
        moodle.faults.add(fault)


def _fault(value: Any) -> Fault:
    if isinstance(value, str):
        return parse_fault(value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return make_fault(**value)
    raise ValueError("fault must be text, or an object with a name")


def _switch(name: str) -> Callable[[Moodle, Any], None]:
    def act(moodle: Moodle, value: Any) -> None:
        setattr(moodle.switches, name, _flag(name, value))

    return act


def _hold(moodle: Moodle, value: Any) -> None:
    moodle.copies.gates.hold(*_words("hold", value))


def _release(moodle: Moodle, value: Any) -> None:
    if value is True:
        moodle.copies.gates.release()
    elif steps := _words("release", value):
        moodle.copies.gates.release(*steps)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value


def _words(name: str, value: Any) -> list[str]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{name} must be a list of names")
    return words


_COMMANDS: dict[str, Callable[[Moodle, Any], None]] = {
    "clear": _clear,
    "fault": _set_faults,
    "maintenance": _switch("maintenance"),
    "webservices": _switch("webservices"),
    "tokens_revoked": _switch("tokens_revoked"),
    "hold": _hold,
    "release": _release,
}


def _status(moodle: Moodle) -> dict[str, Any]:
    calls = moodle.copies.calls
    return {
        "faults": [fault.name for fault in moodle.faults.all()],
        "struck": dict(moodle.faults.struck),
        "copies": [
            {"shortname": copy.request.shortname, "step": copy.step, "stalled": copy.stalled}
            for copy in moodle.copies.all()
        ],
        "calls": {
            "asked": dict(calls.asked),
            "started": dict(calls.started),
            "created": dict(calls.created),
            "refused": dict(calls.refused),
            "disturbed": dict(calls.disturbed),
            "watched": dict(calls.watched),
            "deleted": list(calls.deleted),
            "most_at_once": calls.most_at_once,
        },
    }


def _courses(moodle: Moodle) -> list[dict[str, Any]]:
    copying = {copy.courseid for copy in moodle.copies.all()}
    return [
        {
            "id": course.id,
            "shortname": course.shortname,
            "fullname": course.fullname,
            "visible": course.visible,
            "category": course.categoryid,
            "sections": len(course.sections),
            "modules": len(course.modules),
            "complete": course.complete,
            "copying": course.id in copying,
            "origin": course.origin,
            "requested": course.requested,
        }
        for course in moodle.state.courses()
        if course.id != FRONT_PAGE
    ]


def _json(status: int, value: Any) -> Response:
    return Response(status, "application/json", json.dumps(value).encode())
