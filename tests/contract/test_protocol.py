"""Tests Moodle's REST protocol, on any server that has a fixture ``server``: a URL, a token, and a fast function.

Another test module can run these tests for its own server by ``from tests.contract.test_protocol import *``.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import requests

from tests.captures import capture

from .tested_server import NO_SUCH_TOKEN, TIMEOUT, Server, error_of

__all__ = [
    "test_answer_is_json_on_request",
    "test_answer_is_xml_by_default",
    "test_answer_is_xml_on_request",
    "test_get_request_is_answered",
    "test_get_request_is_answered_with_an_error",
    "test_invalid_token_gives_the_same_error_in_both_formats",
    "test_invalid_token_is_refused",
    "test_json_error_has_http_status_200",
    "test_site_info_lists_functions_by_name",
    "test_unknown_function_is_refused",
    "test_xml_and_json_have_the_same_values",
    "test_xml_error_has_http_status_200",
]


def parsed(response: requests.Response) -> ElementTree.Element:
    # The formats are as in site_info_as_xml.json and error_as_xml.json.
    assert response.status_code == 200
    assert response.headers["Content-Type"].lower().replace(" ", "") == "application/xml;charset=utf-8"
    assert response.content.startswith(b'<?xml version="1.0" encoding="UTF-8" ?>\n')
    return ElementTree.fromstring(response.content)


def value_of(root: ElementTree.Element, key: str) -> str:
    value = root.find(f"./SINGLE/KEY[@name='{key}']/VALUE")
    assert value is not None, f"no {key}"
    return value.text or ""


def names_in(root: ElementTree.Element) -> list[str]:
    path = "./SINGLE/KEY[@name='functions']/MULTIPLE/SINGLE/KEY[@name='name']/VALUE"
    return [value.text or "" for value in root.findall(path)]


def test_answer_is_xml_by_default(server: Server) -> None:
    root = parsed(server.post(server.function))
    assert root.tag == "RESPONSE"
    assert server.function in names_in(root)


def test_answer_is_xml_on_request(server: Server) -> None:
    root = parsed(server.post(server.function, moodlewsrestformat="xml"))
    assert root.tag == "RESPONSE"
    assert server.function in names_in(root)


def test_answer_is_json_on_request(server: Server) -> None:
    response = server.post(server.function, moodlewsrestformat="json")
    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    assert isinstance(response.json(), dict)


def test_xml_and_json_have_the_same_values(server: Server) -> None:
    said = server.call(server.function)
    root = parsed(server.post(server.function))
    for key in ("sitename", "username", "siteurl"):
        assert value_of(root, key) == said[key]
    assert value_of(root, "userid") == str(said["userid"])
    assert names_in(root) == [function["name"] for function in said["functions"]]


def test_site_info_lists_functions_by_name(server: Server) -> None:
    # site_info.json
    functions = server.call(server.function)["functions"]
    assert server.function in [function["name"] for function in functions]
    for function in functions:
        assert isinstance(function["name"], str)


def test_get_request_is_answered(server: Server) -> None:
    if server.label == "moodle":
        pytest.skip("a token of a real site does not belong into a URL")
    params = {"wstoken": server.token, "wsfunction": server.function, "moodlewsrestformat": "json"}
    response = requests.get(server.endpoint, params, timeout=TIMEOUT)
    assert response.status_code == 200
    assert response.json() == server.call(server.function)


def test_get_request_is_answered_with_an_error(server: Server) -> None:
    params = {"wstoken": NO_SUCH_TOKEN, "wsfunction": server.function, "moodlewsrestformat": "json"}
    response = requests.get(server.endpoint, params, timeout=TIMEOUT)
    assert response.status_code == 200
    assert error_of(response.json()) == "invalidtoken"


def test_invalid_token_is_refused(server: Server) -> None:
    answer = server.post(server.function, wstoken=NO_SUCH_TOKEN, moodlewsrestformat="json").json()
    assert error_of(answer) == capture("invalid_token")["body"]["errorcode"]
    # The class carries its namespace since 4.5.
    assert answer["exception"].endswith("moodle_exception")


def test_invalid_token_gives_the_same_error_in_both_formats(server: Server) -> None:
    root = parsed(server.post(server.function, wstoken=NO_SUCH_TOKEN))
    assert root.findtext("ERRORCODE") == "invalidtoken"


def test_unknown_function_is_refused(server: Server) -> None:
    answer = server.call("no_such_function")
    assert error_of(answer) == capture("unknown_function")["body"]["errorcode"]


def test_json_error_has_http_status_200(server: Server) -> None:
    response = server.post("no_such_function", moodlewsrestformat="json")
    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    assert set(response.json()) >= {"exception", "errorcode", "message"}


def test_xml_error_has_http_status_200(server: Server) -> None:
    root = parsed(server.post("no_such_function"))
    captured = ElementTree.fromstring(capture("error_as_xml")["body"].encode())
    assert root.tag == captured.tag == "EXCEPTION"
    assert root.get("class", "").endswith("exception")
    assert root.findtext("ERRORCODE") == captured.findtext("ERRORCODE")
    assert root.findtext("MESSAGE")
