"""Tests duplicating and deleting courses with the client: the sent parameters, and which answers are trusted."""

import pytest
import responses

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import NoTrustworthyAnswer, Refused, UnknownRefusal
from dupdash.moodle.options import BY_NAME, defaults
from dupdash.moodle.records import Duplicated

from .support import ENDPOINT, TOKEN, duplicate, replay, sent


def test_duplication_sends_the_nine_options_of_a_stock_moodle(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    replay(http, "duplicate_ok")
    copy = client.duplicate_course(
        source_id=5,
        fullname="Copy of XS",
        shortname="CAP-1795422088",
        category_id=1,
        visible=False,
        options=defaults() | {"logs": True},
    )
    assert copy == Duplicated(id=51, shortname="CAP-1795422088")
    form = sent(http)
    names = [name for name in BY_NAME if name != "enrolments"]
    assert [form[f"options[{index}][name]"] for index in range(9)] == names
    assert [form[f"options[{index}][value]"] for index in range(9)] == list("111000000")
    assert "options[9][name]" not in form
    assert {key: value for key, value in form.items() if not key.startswith("options")} == {
        "wstoken": TOKEN,
        "wsfunction": "core_course_duplicate_course",
        "moodlewsrestformat": "json",
        "courseid": "5",
        "fullname": "Copy of XS",
        "shortname": "CAP-1795422088",
        "categoryid": "1",
        "visible": "0",
    }


@pytest.mark.parametrize("answered", ["AT&T", "at&t"])
def test_answered_short_name_may_be_in_another_case(
    http: responses.RequestsMock, client: MoodleClient, answered: str
) -> None:
    http.post(ENDPOINT, json={"id": 51, "shortname": answered})
    assert duplicate(client, shortname="AT&T").shortname.upper() == "AT&T"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "51",
        {},
        {"id": 51},
        {"shortname": "DUP-1"},
        {"id": None, "shortname": "DUP-1"},
        {"id": True, "shortname": "DUP-1"},
        {"id": 0, "shortname": "DUP-1"},
        {"id": -3, "shortname": "DUP-1"},
        {"id": 5, "shortname": "DUP-1"},
        {"id": 51, "shortname": "SRC_1"},
        {"id": 51, "shortname": None},
        {"error": "no"},
    ],
)
def test_answer_that_does_not_name_our_copy_is_not_trusted(
    http: responses.RequestsMock, client: MoodleClient, value: object
) -> None:
    http.post(ENDPOINT, json=value)
    with pytest.raises(NoTrustworthyAnswer):
        duplicate(client, source_id=5, shortname="DUP-1")
    assert len(http.calls) == 1


def test_text_that_cannot_be_encoded_is_refused_before_sending(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    with pytest.raises(Refused):
        duplicate(client, fullname="\ud800")
    assert not http.calls


def test_proposed_service_gets_its_five_parameters(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json={"duplicateid": "a" * 64})
    given = client.async_duplicate_course(source_id=5, fullname="A copy", shortname="DUP-1", category_id=1, options={})
    assert given == "a" * 64
    form = sent(http)
    assert {key.split("[")[0] for key in form} == {
        "wstoken",
        "wsfunction",
        "moodlewsrestformat",
        "id",
        "fullname",
        "shortname",
        "categoryid",
        "options",
    }


@pytest.mark.parametrize("value", [{"duplicateid": ""}, {"duplicateid": "a" * 65}, {"duplicateid": 7}, {}, "x"])
def test_duplicate_id_has_1_to_64_characters(http: responses.RequestsMock, client: MoodleClient, value: object) -> None:
    http.post(ENDPOINT, json=value)
    with pytest.raises(NoTrustworthyAnswer):
        client.async_duplicate_course(source_id=5, fullname="x", shortname="x", category_id=1, options={})


def test_course_is_deleted(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "delete_course")
    assert client.delete_course(58) is True
    assert sent(http)["courseids[0]"] == "58"


def test_missing_course_counts_as_already_deleted(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "delete_unknown_course")
    assert client.delete_course(99999) is False


@pytest.mark.parametrize(
    ("code", "kind"), [("cannotdeletecourse", Refused), ("cannotdeletecategorycourse", UnknownRefusal)]
)
def test_course_that_moodle_did_not_delete_is_an_error(
    http: responses.RequestsMock, client: MoodleClient, code: str, kind: type[Exception]
) -> None:
    http.post(ENDPOINT, json={"warnings": [{"item": "course", "itemid": 5, "warningcode": code, "message": "no"}]})
    with pytest.raises(kind) as raised:
        client.delete_course(5)
    assert type(raised.value) is kind
    assert getattr(raised.value, "errorcode") == code  # noqa: B009
