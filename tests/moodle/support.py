"""Helpers for tests of the Moodle client: replay captures, send a duplication, read the sent parameters."""

import json
from typing import Any
from urllib.parse import parse_qsl

import responses

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import defaults
from dupdash.moodle.records import Duplicated
from tests.captures import capture

SITE = "https://moodle.example.edu"
ENDPOINT = f"{SITE}/webservice/rest/server.php"
TOKEN = "f00dfacef00dfacef00dfacef00dface"


def replay(http: responses.RequestsMock, name: str) -> Any:
    """Have the site answer as in this capture. Returns the body of the answer."""
    captured = capture(name)
    body = captured["body"]
    http.post(
        ENDPOINT,
        body=body if isinstance(body, str) else json.dumps(body),
        status=captured["status"],
        content_type=captured["content_type"],
    )
    return body


def sent(http: responses.RequestsMock, index: int = -1) -> dict[str, str]:
    """Return the parameters of the last request."""
    body = http.calls[index].request.body
    assert isinstance(body, str)
    return dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))


def duplicate(client: MoodleClient, *, source_id: int = 5, shortname: str = "DUP-1", **others: Any) -> Duplicated:
    asked: dict[str, Any] = {"fullname": "A copy", "category_id": 1, "visible": True, "options": defaults()}
    return client.duplicate_course(source_id=source_id, shortname=shortname, **(asked | others))
