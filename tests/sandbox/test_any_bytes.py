"""Tests that the sandbox answers every request with valid JSON or XML, whatever the request contains."""

from __future__ import annotations

import json
from functools import lru_cache
from urllib.parse import quote_plus
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from dupdash.sandbox.accounts import ADMIN_TOKEN
from dupdash.sandbox.functions import STANDARD
from dupdash.sandbox.http_messages import Request, Response
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.rest import serve_function
from dupdash.sandbox.server import Sandbox

NAMES = ("courseid", "options", "field", "value", "criteria", "courses", "courseids", "values", "shortname", "fullname")
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=5))
PATHS = st.builds(
    lambda name, parts: name + "".join(f"[{part}]" for part in parts),
    KEYS,
    st.lists(st.sampled_from(["", "0", "1", "name", "value", "key", "id", "[", "]"]), max_size=3),
)
VALUES = st.one_of(
    st.sampled_from(["7", "1", "0", "-0", "9" * 30, "9" * 5000, "users", "id", "ids", "search", "shortname", "7,,8"]),
    st.text(max_size=8),
)


@lru_cache(maxsize=1)
def a_moodle() -> Moodle:
    return Sandbox(speed=100_000).moodle


def answered(query: str, body: bytes) -> Response:
    outcome = serve_function(a_moodle(), Request("POST", "/", query, body, True))
    assert isinstance(outcome, Response)
    assert outcome.status == 200
    return outcome


def envelope(function: str, restformat: str) -> str:
    return f"wstoken={ADMIN_TOKEN}&wsfunction={function}&moodlewsrestformat={restformat}"


@settings(max_examples=150)
@given(body=st.binary(max_size=60))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    response = answered("", body)
    assert b"<EXCEPTION" in response.body or b"exception" in response.body


@settings(max_examples=200)
@given(
    function=st.sampled_from(sorted(STANDARD)),
    restformat=st.sampled_from(["json", "xml"]),
    fields=st.dictionaries(PATHS, VALUES, max_size=6),
)
def test_any_parameters_get_an_answer(function: str, restformat: str, fields: dict[str, str]) -> None:
    pairs = (f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields.items())
    response = answered(envelope(function, restformat), "&".join(pairs).encode())
    if restformat == "json":
        json.loads(response.body)
    else:
        ElementTree.fromstring(response.body)
