"""Tests the parsing of parameters: any input gets an answer in Moodle's format, and parsing works as in PHP."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dupdash.gateway import serializers
from dupdash.gateway.errors import ServiceError
from dupdash.gateway.function_list import FUNCTIONS
from dupdash.gateway.options import options_by_name
from dupdash.gateway.parameters import (
    DEPTH_MOST,
    FIELDS_MOST,
    fields,
    flag,
    identifier,
    integer,
    parse,
    text,
    unflatten,
    validate,
)
from tests.gateway.support import ENDPOINT, FORM, Caller, error

Calls = Callable[..., Caller]

# These are known names, so that the tests also reach the code after the check of the names.
names = st.sampled_from(
    [
        "wstoken",
        "wsfunction",
        "moodlewsrestformat",
        "id",
        "fullname",
        "shortname",
        "categoryid",
        "visible",
        "idempotencykey",
        "duplicateid",
        "options",
        "options[]",
        "options[0][name]",
        "options[0][value]",
        "options[0][users]",
        "duplicateids[0]",
        "duplicateids[]",
        "a[b",
        "a]b[",
        "[",
        "a[b]c[d]",
    ]
)
values = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"1", b"0", b"-1", b"json", b"xml", *map(str.encode, FUNCTIONS)])
)
forms = st.one_of(
    st.binary(max_size=300),
    st.lists(st.tuples(names, values), max_size=12).map(
        lambda pairs: b"&".join(name.encode() + b"=" + quote(value).encode() for name, value in pairs)
    ),
)


@given(forms, forms)
@settings(max_examples=500)
def test_any_bytes_are_parameters_or_an_error_of_moodle(query: bytes, form: bytes) -> None:
    try:
        tree = parse(query, form)
    except ServiceError as refusal:
        check_error(refusal)
        return
    for function in FUNCTIONS.values():
        try:
            validate(function.parameters, tree)
        except ServiceError as refusal:
            check_error(refusal)


def check_error(refusal: ServiceError) -> None:
    """Assert that the error is one of Moodle's, and that it can be written in both formats."""
    assert refusal.errorcode in ("invalidparameter", "invalidextparam")
    assert json.loads(serializers.error(refusal, "json")[1])["errorcode"] == refusal.errorcode
    assert ElementTree.fromstring(serializers.error(refusal, "xml")[1]).findtext("ERRORCODE") == refusal.errorcode


@given(form=forms, restformat=st.sampled_from([b"json", b"xml", b""]), right=st.booleans(), multipart=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_an_answer(
    calls_as: Calls, program: Caller, form: bytes, restformat: bytes, right: bool, multipart: bool
) -> None:
    body = form + b"&moodlewsrestformat=" + restformat + (b"&wstoken=" + program.token.encode() if right else b"")
    kind = "multipart/form-data; boundary=x" if multipart else FORM
    response = program.client.post(ENDPOINT, body, content_type=kind)
    assert response.status_code == 200
    assert b"Traceback" not in response.content
    if response["Content-Type"] == "application/json":
        assert isinstance(response.json(), dict)
    else:
        assert ElementTree.fromstring(response.content).tag in ("RESPONSE", "EXCEPTION")


@given(query=st.text(max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_query_gets_an_answer(client: Client, db: None, query: str) -> None:
    response = client.get(ENDPOINT, QUERY_STRING=query.encode("utf-8", "replace").decode("latin-1"))
    assert response.status_code == 200


@pytest.fixture
def program(calls_as: Calls, help_desk: User) -> Caller:
    """A client program whose owner may not request copies, so that no call reaches Moodle."""
    return calls_as(help_desk)


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["id", "name", "x"]), inner)),
    max_leaves=20,
)


@given(anything)
@settings(max_examples=300)
def test_xml_can_always_be_parsed(value: Any) -> None:
    assert ElementTree.fromstring(serializers.answer(value, "xml")[1]).tag == "RESPONSE"


@given(st.text())
@settings(max_examples=300)
def test_names_are_complete_in_json_and_lose_only_invalid_xml(name: str) -> None:
    assert json.loads(serializers.answer({"name": name}, "json")[1]) == {"name": name}
    root = ElementTree.fromstring(serializers.answer({"name": name}, "xml")[1])
    allowed = "".join(letter for letter in name if serializers._FORBIDDEN.match(letter) is None)
    # XML parsers turn every kind of line end into a line feed.
    parsed = root.findtext("./SINGLE/KEY/VALUE") or ""
    assert parsed == allowed.replace("\r\n", "\n").replace("\r", "\n")


# --- Parsed as in PHP ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "tree"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("=1&&a=1", {"a": "1"}),
        ("a=x+y%20z", {"a": "x y z"}),
        ("a=%E2%82%AC&b=€", {"a": "€", "b": "€"}),
        ("o[0][name]=users&o[0][value]=1", {"o": {"0": {"name": "users", "value": "1"}}}),
        ("o%5B0%5D%5Bname%5D=users", {"o": {"0": {"name": "users"}}}),
        ("o[]=a&o[]=b", {"o": {"0": "a", "1": "b"}}),
        ("o[1]=a&o[]=b", {"o": {"1": "a", "2": "b"}}),
        ("o[5]=a&o[2]=b&o[]=c&o[]=d", {"o": {"5": "a", "2": "b", "6": "c", "7": "d"}}),
        ("o=a&o[]=b&o=c&o[]=d", {"o": {"0": "d"}}),
        ("o=a&o[x]=b", {"o": {"x": "b"}}),
        ("o[x]=b&o=a", {"o": "a"}),
        ("a.b c=1", {"a_b_c": "1"}),
        (" a=1", {"a": "1"}),
        ("a[b=1", {"a_b": "1"}),
        ("a[b]c[d]=1", {"a": {"b": "1"}}),
        ("a[b][c=1", {"a": {"b": "1"}}),
    ],
)
def test_names_with_brackets_become_a_tree_as_in_php(sent: str, tree: dict[str, Any]) -> None:
    assert unflatten(fields(sent.encode())) == tree


def test_too_many_fields_are_refused_and_not_cut_off() -> None:
    assert len(fields(b"&".join([b"a=1"] * FIELDS_MOST))) == FIELDS_MOST
    with pytest.raises(ServiceError, match="Invalid parameter"):
        fields(b"&".join([b"a=1"] * (FIELDS_MOST + 1)))
    with pytest.raises(ServiceError, match="Invalid parameter"):
        unflatten([("a" + "[b]" * (DEPTH_MOST + 1), "1")])


def test_too_large_body_is_refused(program: Caller) -> None:
    body = b"wstoken=" + b"x" * 3_000_000
    response = program.client.post(ENDPOINT, body + b"&moodlewsrestformat=json", content_type=FORM)
    assert response.status_code == 200
    assert b"invalidparameter" in response.content


@pytest.mark.parametrize(
    "sent", ["", "abc", "1.0", "1e3", " 1", "+1", "01", "-0", "٣", "9" * 30, "9223372036854775808"]
)
def test_number_that_php_would_change_is_refused(sent: str) -> None:
    with pytest.raises(ServiceError) as refused:
        integer("id", sent)
    assert refused.value.errorcode == "invalidparameter"


@pytest.mark.parametrize(("sent", "number"), [("0", 0), ("-5", -5), ("9223372036854775807", 2**63 - 1)])
def test_integer_is_accepted(sent: str, number: int) -> None:
    assert integer("id", sent) == number


@pytest.mark.parametrize(
    ("clean", "sent"), [(text, {"0": "x"}), (text, "a\0b"), (text, "\udcff"), (flag, "2"), (identifier, "a b")]
)
def test_value_of_another_type_is_refused(clean: Callable[[str, Any], Any], sent: Any) -> None:
    with pytest.raises(ServiceError) as refused:
        clean("x", sent)
    assert refused.value.errorcode == "invalidparameter"


# --- Options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        "options[0][name]=users&options[0][value]=1&options[1][name]=blocks&options[1][value]=0",
        "options[0][users]=1&options[1][blocks]=0",
        "options[0][users]=1&options[0][blocks]=0",
        "options[0][name]=users&options[0][value]=1&options[1][blocks]=0",
        "options[][users]=0&options[][users]=1&options[][blocks]=0",
    ],
)
def test_options_are_accepted_in_both_forms(sent: str) -> None:
    assert options_by_name("options", parse(b"", sent.encode())["options"]) == {"users": True, "blocks": False}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("options[0][name]=bogus&options[0][value]=1", "invalidextparam"),
        ("options[0][name]=users&options[0][value]=7", "invalidextparam"),
        ("options[0][name]=users&options[0][value]=True", "invalidextparam"),
        ("options[0][bogus]=1", "invalidextparam"),
        ("options[0][users]=", "invalidextparam"),
        ("options[0][users][x]=1", "invalidextparam"),
        ("options[0][name]=users", "invalidparameter"),
        ("options[0][name]=users&options[0][value]=1&options[0][blocks]=1", "invalidparameter"),
        ("options[0]=users", "invalidparameter"),
        ("options=users", "invalidparameter"),
    ],
)
def test_invalid_options_get_the_error_codes_of_moodle(sent: str, code: str) -> None:
    with pytest.raises(ServiceError) as refused:
        options_by_name("options", parse(b"", sent.encode())["options"])
    assert refused.value.errorcode == code


def test_error_names_the_unknown_option(calls_as: Calls, administrator: User) -> None:
    answer = calls_as(administrator).copy(options=[{"name": "bogus", "value": 1}])
    assert error(answer) == "invalidextparam"
    assert answer["message"] == "Invalid external api parameter: bogus"
