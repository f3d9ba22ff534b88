"""Tests the REST protocol of dupdash's web services, including the contract tests for Moodle."""

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client

from dupdash.accounts import tokens
from dupdash.duplication.models import DuplicationJob
from dupdash.gateway import serializers
from dupdash.gateway.function_list import FUNCTIONS
from dupdash.gateway.parameters import FIELDS_MOST
from tests.captures import capture
from tests.contract.test_protocol import *  # noqa: F403
from tests.contract.tested_server import Server
from tests.gateway.support import DUPLICATE, ENDPOINT, FORM, SITE_INFO, SOURCE, STATUS, STATUSES, Caller, error

Calls = Callable[..., Caller]


@pytest.fixture
def server(live_server: Any, administrator: User) -> Server:
    """dupdash's web services as the server of the contract tests."""
    _, text = tokens.make(administrator, "contract")
    return Server(live_server.url, text, "gateway")


def test_site_info_lists_exactly_the_served_functions(calls_as: Calls, help_desk: User) -> None:
    listed = [function["name"] for function in calls_as(help_desk)(SITE_INFO)["functions"]]
    assert sorted(listed) == sorted(FUNCTIONS)
    assert {DUPLICATE, STATUS} < set(listed)


def test_site_info_names_the_caller(calls_as: Calls, administrator: User) -> None:
    info = calls_as(administrator)(SITE_INFO)
    assert info["username"] == "ada"
    assert info["userid"] == administrator.pk
    assert info["userissiteadmin"] is True
    captured = set(capture("site_info")["body"])
    assert captured - set(info) <= {"userprivateaccesskey"}


@pytest.mark.parametrize("name", ["duplicate_as_xml", "error_as_xml", "categories_as_xml"])
def test_xml_equals_the_captured_answer_of_moodle(name: str) -> None:
    captured = capture(name)
    root = ElementTree.fromstring(captured["body"].encode())
    if root.tag == "RESPONSE":
        content_type, body = serializers.answer(as_value(root[0]), "xml")
    else:
        refusal = serializers.ServiceError(
            root.attrib["class"], root.findtext("ERRORCODE") or "", root.findtext("MESSAGE") or ""
        )
        content_type, body = serializers.error(refusal, "xml")
    assert content_type == captured["content_type"]
    assert body.decode() == captured["body"]


def as_value(node: ElementTree.Element) -> Any:
    if node.tag == "SINGLE":
        return {key.attrib["name"]: as_value(key[0]) for key in node}
    if node.tag == "MULTIPLE":
        return [as_value(item) for item in node]
    return None if node.get("null") else node.text or ""


@pytest.mark.parametrize("name", ["invalid_token", "unknown_function", "duplicate_invalid_course"])
def test_error_equals_the_captured_error_of_moodle(
    calls_as: Calls, administrator: User, name: str, moodle: Any
) -> None:
    caller = calls_as(administrator)
    captured = capture(name)
    match name:
        case "invalid_token":
            answer = Caller(caller.client, "0" * 32)(SITE_INFO)
        case "unknown_function":
            answer = caller("no_such_function")
        case _:
            answer = caller.copy(id=99999)
    assert answer == captured["body"]


def test_multipart_form_is_accepted(client: Client, calls_as: Calls, administrator: User) -> None:
    caller = calls_as(administrator)
    fields = {"wstoken": caller.token, "wsfunction": SITE_INFO, "moodlewsrestformat": "json"}
    assert client.post(ENDPOINT, fields).json()["username"] == "ada"


def test_body_overrides_the_query_string(client: Client, calls_as: Calls, administrator: User) -> None:
    caller = calls_as(administrator)
    query = urlencode({"wstoken": caller.token, "wsfunction": "no_such_function", "moodlewsrestformat": "json"})
    answer = client.post(f"{ENDPOINT}?{query}", urlencode({"wsfunction": SITE_INFO}), content_type=FORM)
    assert answer.json()["username"] == "ada"


def test_multipart_body_overrides_the_query_string(client: Client, calls_as: Calls, administrator: User) -> None:
    fields = {"wstoken": calls_as(administrator).token, "wsfunction": SITE_INFO}
    answer = client.post(f"{ENDPOINT}?moodlewsrestformat=json&wsfunction=no_such_function", fields)
    assert answer.json()["username"] == "ada"


def post_multipart(
    client: Client, pairs: list[tuple[str, bytes]], kind: str = "multipart/form-data; boundary=B"
) -> bytes:
    """Send a multipart form with these bytes, and return the answer."""
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"
        for name, value in [*pairs, ("moodlewsrestformat", b"json")]
    )
    return client.generic("POST", ENDPOINT, b"".join(parts) + b"--B--\r\n", content_type=kind).content


@pytest.mark.parametrize("claimed", ["", "; charset=latin-1"])
def test_multipart_form_with_invalid_utf_8_is_refused(
    calls_as: Calls, administrator: User, moodle: Any, claimed: str
) -> None:
    caller = calls_as(administrator)
    pairs = [("wstoken", caller.token.encode()), ("wsfunction", DUPLICATE.encode()), ("id", str(SOURCE).encode())]
    pairs += [("categoryid", b"2"), ("shortname", b"WS-1")]
    kind = f"multipart/form-data; boundary=B{claimed}"
    answer = json.loads(post_multipart(caller.client, [*pairs, ("fullname", "Einführung".encode("latin-1"))], kind))
    assert error(answer) == "invalidparameter"
    assert "fullname: not UTF-8" in answer["debuginfo"]
    assert not DuplicationJob.objects.exists()
    post_multipart(caller.client, [*pairs, ("fullname", "Einführung".encode())], kind)
    assert DuplicationJob.objects.get().fullname == "Einführung"


@pytest.mark.parametrize("too_many", [0, 1])
def test_multipart_form_has_the_same_limit_of_fields(calls_as: Calls, administrator: User, too_many: int) -> None:
    caller = calls_as(administrator)
    first = [("wstoken", caller.token.encode()), ("wsfunction", STATUSES.encode())]
    ids = [("duplicateids[]", b"x")] * (FIELDS_MOST - len(first) - 1)
    answer = post_multipart(caller.client, [*first, *ids, *[("duplicateids[]", b"x")] * too_many])
    if too_many:
        assert b"<ERRORCODE>invalidparameter</ERRORCODE>" in answer
    else:
        assert len(json.loads(answer)["warnings"]) == len(ids)


def test_json_is_written_as_php_writes_it() -> None:
    content_type, body = serializers.answer({"a": ["/é", None, True, 1]}, "json")
    assert content_type == capture("site_info")["content_type"]
    assert body == rb'{"a":["\/\u00e9",null,true,1]}'


def test_settings_of_the_protocol_are_not_parameters(calls_as: Calls, administrator: User) -> None:
    caller = calls_as(administrator)
    assert "username" in caller(SITE_INFO, moodlewssettinglang="de", moodlewssettingfilter="true")
    assert error(caller(SITE_INFO, moodlewsnonsense="1")) == "invalidparameter"


def test_call_without_a_function_is_refused(calls_as: Calls, administrator: User) -> None:
    assert error(calls_as(administrator)("")) == "invalidparameter"


def test_session_of_a_browser_gives_no_access(as_somebody: Client) -> None:
    answer = as_somebody.post(ENDPOINT, {"wsfunction": SITE_INFO, "moodlewsrestformat": "json"})
    assert error(answer.json()) == "invalidtoken"


@pytest.fixture
def as_somebody(administrator: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    return client


@pytest.mark.parametrize("fault", [RuntimeError("secret detail"), DatabaseError("secret detail")])
def test_internal_error_is_answered_in_moodles_format(
    calls_as: Calls, administrator: User, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise fault

    monkeypatch.setattr("dupdash.gateway.function_list.access.is_administrator", fail)
    answer = calls_as(administrator)(SITE_INFO)
    assert error(answer) in ("codingerror", "dmlwriteexception")
    assert "secret detail" not in json.dumps(answer)


def test_no_token_is_logged(
    client: Client, calls_as: Calls, administrator: User, caplog: pytest.LogCaptureFixture
) -> None:
    caller = calls_as(administrator)
    with caplog.at_level(logging.DEBUG):
        caller(SITE_INFO)
        caller.copy(fullname="")
        client.get(ENDPOINT, {"wstoken": caller.token, "wsfunction": "no_such_function"})
    assert caller.token not in caplog.text


def test_development_server_does_not_log_query_strings() -> None:
    logger = logging.getLogger("django.server")
    record = logger.makeRecord(
        "django.server", logging.INFO, "", 0, '"%s" %s %s', (f"GET {ENDPOINT}?wstoken=abc HTTP/1.1", "200", "5"), None
    )
    assert logger.filter(record)
    assert "abc" not in record.getMessage()
    assert ENDPOINT in record.getMessage()


def test_answer_has_the_headers_of_security(client: Client, db: None) -> None:
    answer = client.get(ENDPOINT)
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (answer["X-Content-Type-Options"], answer["X-Frame-Options"]) == ("nosniff", "DENY")
    assert answer["Content-Length"] == str(len(answer.content))


def test_wrong_host_is_refused(client: Client, db: None) -> None:
    assert client.get(ENDPOINT, headers={"host": "evil.example"}).status_code == 400
