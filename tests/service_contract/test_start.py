"""Tests ``core_course_async_duplicate_course``: parameters, error codes, and repeated calls."""

import re
import secrets
from typing import Any

import pytest

from tests.contract.tested_server import NO_SUCH_ID, error_of
from tests.service_contract.service import Service, new_shortname

FORMS_OF_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "names and values": [{"name": "users", "value": 0}, {"name": "blocks", "value": 0}],
    "one object for each option": [{"users": 0}, {"blocks": 0}],
    "one object for all options": [{"users": 0, "blocks": 0}],
    "both forms": [{"name": "users", "value": 0}, {"blocks": 0}],
    "last value counts": [{"blocks": 1}, {"users": 0}, {"name": "blocks", "value": 0}],
}


@pytest.fixture
def key() -> str:
    return secrets.token_hex(8)


def test_start_answers_with_an_id_of_32_hexadecimal_digits(service: Service) -> None:
    answer = service.start()
    assert set(answer) == {"duplicateid"}, answer
    assert re.fullmatch(r"[0-9a-f]{32}", answer["duplicateid"])


def test_all_forms_of_options_mean_the_same(service: Service, key: str) -> None:
    """All formats of options mean the same: a repeated call with the same key and another format is accepted."""
    shortname = new_shortname()
    ids = {
        form: service.start(shortname, idempotencykey=key, options=options)
        for form, options in FORMS_OF_OPTIONS.items()
    }
    assert len({str(answer) for answer in ids.values()}) == 1, ids
    assert "duplicateid" in next(iter(ids.values()))


def test_optional_parameters_are_accepted_and_have_defaults(service: Service, key: str) -> None:
    shortname = new_shortname()
    defaults = [
        *({name: 1} for name in ("activities", "blocks", "filters", "enrolments")),
        *({name: 0} for name in ("users", "role_assignments", "comments", "userscompletion", "logs")),
        {"grade_histories": 0},
    ]
    short = service.start_one(shortname, idempotencykey=key)
    assert service.start_one(shortname, idempotencykey=key, options=defaults, visible=1) == short


@pytest.mark.parametrize("name", ["id", "fullname", "shortname", "categoryid"])
def test_missing_parameter_is_refused(service: Service, name: str) -> None:
    assert error_of(service.start(**{name: None})) == "invalidparameter"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "abc"},
        {"id": ""},
        {"categoryid": "1.5"},
        {"fullname": ""},
        {"fullname": "  "},
        {"fullname": "<b>x</b>"},
        {"fullname": "two\nlines"},
        {"shortname": " "},
        {"shortname": "<b>x</b>"},
        {"visible": 2},
        {"visible": "yes"},
        {"idempotencykey": "x" * 256},
        {"unknown": 1},
        {"options": "users"},
        {"options": [{"name": "users"}]},
        {"options": [{"value": 1}]},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_invalid_parameter_is_refused(service: Service, changes: dict[str, Any]) -> None:
    assert error_of(service.start(**changes)) == "invalidparameter"


@pytest.mark.parametrize(
    "options",
    [
        [{"name": "bogus", "value": 1}],
        [{"bogus": 1}],
        [{"name": "users", "value": 7}],
        [{"users": 7}],
        [{"users": ""}],
        [{"name": "blocks", "value": 2}],
    ],
    ids=str,
)
def test_unknown_option_or_value_is_refused(service: Service, options: list[dict[str, Any]]) -> None:
    assert error_of(service.start(options=options)) == "invalidextparam"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": NO_SUCH_ID}, "invalidcourseid"),
        ({"id": 1}, "backupprecheckerrors"),
        ({"categoryid": NO_SUCH_ID}, "invalidrecord"),
        ({"fullname": "x" * 255}, "dmlwriteexception"),
        ({"shortname": "x" * 101}, "dmlwriteexception"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_impossible_copy_is_refused(service: Service, changes: dict[str, Any], code: str) -> None:
    assert error_of(service.start(**changes)) == code


def test_short_name_of_a_finished_copy_is_taken(service: Service, finished: str) -> None:
    shortname = service.result(finished)["shortname"]
    assert error_of(service.start(shortname)) == "shortnametaken"
    assert error_of(service.start(shortname.upper())) == "shortnametaken"


def test_short_name_of_an_unfinished_copy_is_taken(service: Service) -> None:
    shortname = new_shortname()
    with service.paused():
        service.start_one(shortname)
        assert error_of(service.start(shortname)) == "shortnametaken"
        assert error_of(service.start(f" {shortname.upper()} ")) == "shortnametaken"


def test_names_are_stored_without_surrounding_blanks(service: Service) -> None:
    shortname = new_shortname()
    assert service.result(service.start_one(f" {shortname} "))["shortname"] == shortname


# --- Repeated calls --------------------------------------------------------------------------------------


def test_repeated_call_answers_with_the_same_id(service: Service, key: str) -> None:
    shortname = new_shortname()
    first = service.start_one(shortname, idempotencykey=key)
    assert service.start_one(shortname, idempotencykey=key) == first


def test_repeated_call_after_the_end_answers_with_the_same_id(service: Service, key: str) -> None:
    shortname = new_shortname()
    first = service.start_one(shortname, idempotencykey=key)
    service.follow(first)
    assert service.start_one(shortname, idempotencykey=key) == first
    assert service.result(first)["state"] == "succeeded"


@pytest.mark.parametrize(
    "changes",
    [{"shortname": new_shortname()}, {"fullname": "Other"}, {"visible": 0}, {"options": [{"blocks": 0}]}],
    ids=["shortname", "fullname", "visible", "options"],
)
def test_key_of_another_request_is_refused(service: Service, key: str, changes: dict[str, Any]) -> None:
    shortname = new_shortname()
    with service.paused():
        service.start_one(shortname, idempotencykey=key)
        assert (
            error_of(service.start(**{"shortname": shortname, "idempotencykey": key} | changes)) == "invalidparameter"
        )
