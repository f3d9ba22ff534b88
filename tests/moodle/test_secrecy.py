"""Tests that the token is only in the bodies of requests, never in errors, logs or URLs."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from tests.captures import capture

from .server import Server, Step, answers, http_answer, resets, sends, stalls
from .support import TOKEN, duplicate

Serve = Callable[..., Server]


def everything_known(error: BaseException) -> str:
    """Return everything that logs and error reports may show of an error: text, causes, and local variables."""
    words = ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]
    words += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            words.append(everything_known(linked))
            words.append(repr(vars(linked)))
    return "\n".join(words)


ECHO = f"<html><title>Bad request wstoken={TOKEN}</title></html>".encode()
LEAKS: dict[str, Step] = {
    "reset": resets(),
    "closed": sends(b""),
    "stall": stalls(),
    "cut short": sends(http_answer(b"{}", length=500)),
    "an error page that repeats the request": sends(http_answer(ECHO, status="502 Bad Gateway")),
    "a page that repeats the request": sends(http_answer(ECHO)),
    "an exception that repeats the request": answers(
        {"exception": "x", "errorcode": f"x{TOKEN}", "message": f"Bad token {TOKEN}", "debuginfo": TOKEN}
    ),
    "a redirect with the token": sends(
        http_answer(b"", status="307 Moved", headers=f"Location: http://localhost:1/?wstoken={TOKEN}\r\n")
    ),
    "another answer": answers({"id": 5, "shortname": TOKEN}),
}


def failure(ask: Callable[[MoodleClient], Any], client: MoodleClient) -> MoodleError:
    # pytest.raises() would keep the frame of this test in the traceback, and the frame contains the token.
    try:
        ask(client)
    except MoodleError as error:
        return error
    pytest.fail("this must be an error")


@pytest.mark.parametrize("step", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("ask", [duplicate, MoodleClient.site_info, lambda client: client.delete_course(5)])
def test_error_does_not_contain_the_token(
    serve: Serve, caplog: pytest.LogCaptureFixture, step: Step, ask: Callable[[MoodleClient], Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(*[step] * 3)
    settings: dict[str, Any] = {"read_timeout": 0.3, "duplication_timeout": 0.3}
    with MoodleClient(server.url, TOKEN, **settings) as client:
        error = failure(ask, client)
    assert error.__cause__ is None
    assert error.__context__ is None, "an exception of requests holds the request"
    assert TOKEN not in everything_known(error)
    assert TOKEN not in caplog.text
    assert TOKEN.encode() in server.seen[0].request


def test_error_of_an_unsent_request_does_not_contain_the_token() -> None:
    with MoodleClient("http://moodle.invalid", TOKEN) as client:
        error = failure(duplicate, client)
    assert TOKEN not in everything_known(error)
    assert error.__context__ is None


def test_client_does_not_show_its_token() -> None:
    with MoodleClient("http://moodle.invalid", TOKEN) as client:
        shown = (
            repr(client)
            + str(vars(client))
            + str({k: vars(v) for k, v in vars(client).items() if hasattr(v, "__dict__")})
        )
    assert TOKEN not in "".join(shown)


def test_token_is_sent_only_in_the_body(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answers(capture("categories")["body"]))
    with MoodleClient(server.url, TOKEN) as client:
        client.categories()
    head, _, body = server.seen[0].request.partition(b"\r\n\r\n")
    assert TOKEN.encode() not in head
    assert f"wstoken={TOKEN}".encode() in body
    assert head.startswith(b"POST /webservice/rest/server.php HTTP/1.1\r\n")
    assert TOKEN not in caplog.text
