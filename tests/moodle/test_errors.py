"""Tests which error the client raises for each error code, HTTP status and kind of body.

The error also says whether Moodle may have started a copy.
"""

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import (
    ConfigurationFault,
    MayHaveStarted,
    MoodleError,
    NoTrustworthyAnswer,
    Refused,
    TryAgain,
    UnknownRefusal,
)
from tests.captures import capture

from .support import ENDPOINT, SITE, TOKEN, duplicate, replay

CAPTURED = [
    ("invalid_token", "invalidtoken", ConfigurationFault),
    ("function_not_in_service", "accessexception", ConfigurationFault),
    ("site_in_maintenance", "sitemaintenance", ConfigurationFault),
    ("web_services_off", "", ConfigurationFault),
    ("duplicate_invalid_course", "invalidcourseid", Refused),
    ("duplicate_invalid_category", "invalidrecord", Refused),
    ("unknown_function", "invalidrecord", Refused),
    ("duplicate_no_permission", "requireloginerror", Refused),
    ("duplicate_no_capability", "nopermissions", Refused),
    ("duplicate_shortname_taken", "shortnametaken", Refused),
    ("duplicate_missing_param", "invalidparameter", Refused),
    ("duplicate_name_with_tags", "invalidparameter", Refused),
    ("duplicate_bad_option_value", "invalidextparam", Refused),
    ("duplicate_unknown_option", "invalidextparam", Refused),
    ("duplicate_enrolments_option", "setting_by_name_not_found", Refused),
    ("duplicate_setting_locked", "setting_locked_by_permission", Refused),
    ("duplicate_site_course", "backupprecheckerrors", UnknownRefusal),
    ("duplicate_same_source_collision", "storedfilenotcreated", TryAgain),
    ("duplicate_name_too_long", "dmlwriteexception", UnknownRefusal),
    ("course_ids_with_a_missing_one", "", UnknownRefusal),
]


@pytest.mark.parametrize(("name", "errorcode", "kind"), CAPTURED)
def test_duplication_refused_by_moodle_raises_the_error_of_its_code(
    http: responses.RequestsMock, client: MoodleClient, name: str, errorcode: str, kind: type[MoodleError]
) -> None:
    body = replay(http, name)
    with pytest.raises(kind) as raised:
        duplicate(client)
    assert type(raised.value) is kind
    assert raised.value.errorcode == errorcode
    assert raised.value.function == "core_course_duplicate_course"
    assert isinstance(raised.value, MayHaveStarted) is (kind is UnknownRefusal)
    assert len(http.calls) == 1
    if isinstance(body, dict):
        assert raised.value.message == body["message"]


@pytest.mark.parametrize(("name", "errorcode", "kind"), CAPTURED)
def test_refused_read_raises_the_same_error_and_is_not_repeated(
    http: responses.RequestsMock, client: MoodleClient, name: str, errorcode: str, kind: type[MoodleError]
) -> None:
    replay(http, name)
    with pytest.raises(kind) as raised:
        client.contents(5)
    assert type(raised.value) is kind
    assert len(http.calls) == 1


# These codes were not captured, but read in Moodle's code (lib/setup.php, require_login() and the authentication of
# web services).
FROM_THE_CODE = {
    "upgraderunning",
    "sitepolicynotagreed",
    "usernotfullysetup",
    "forcepasswordchangenotice",
    "wsaccessuserdeleted",
    "wsaccessuserunconfirmed",
    "wsaccessusersuspended",
    "wsaccessuserexpired",
    "wsaccessusernologin",
}


# The start call of the Moodle plugin sends these codes. tests/service_contract checks them on a real site.
FROM_THE_PLUGIN = {"enddatebeforestartdate", "nostartdatenoenddate", "courseidnumbertaken"}


def test_every_error_code_was_captured_or_read_in_moodles_code() -> None:
    captured = {errorcode for _, errorcode, _ in CAPTURED}
    assert set(errors.ERRORCODES) <= captured | FROM_THE_CODE | FROM_THE_PLUGIN


def test_configuration_fault_has_advice_for_the_administrator() -> None:
    for errorcode, kind in errors.ERRORCODES.items():
        error = errors.error_of_answer("core_course_duplicate_course", errorcode, "")
        assert type(error) is kind
        if isinstance(error, ConfigurationFault):
            assert error.advice
            assert error.advice in str(error)
    assert "core_course_get_contents" in str(
        errors.error_of_answer("core_course_get_contents", "accessexception", "No")
    )


@pytest.mark.parametrize(
    "message",
    [
        "Can't find data record in database table course_modules.",
        "Can't find data record in database table course.",
        "Datensatz kann nicht in der Datenbanktabelle backup_controllers gefunden werden",
    ],
)
def test_missing_record_in_a_restore_may_have_started_a_copy(
    http: responses.RequestsMock, client: MoodleClient, message: str
) -> None:
    answer = {"exception": "dml_missing_record_exception", "errorcode": "invalidrecord", "message": message}
    http.post(ENDPOINT, json=answer)
    with pytest.raises(UnknownRefusal):
        duplicate(client)
    with pytest.raises(Refused):
        client.contents(5)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ConfigurationFault),
        (403, ConfigurationFault),
        (404, ConfigurationFault),
        (407, ConfigurationFault),
        (204, NoTrustworthyAnswer),
        (400, NoTrustworthyAnswer),
        (408, NoTrustworthyAnswer),
        (429, NoTrustworthyAnswer),
        (500, NoTrustworthyAnswer),
        (502, NoTrustworthyAnswer),
        (503, NoTrustworthyAnswer),
        (504, NoTrustworthyAnswer),
    ],
)
def test_http_status_other_than_200_raises_its_error(
    http: responses.RequestsMock, client: MoodleClient, status: int, kind: type[MoodleError]
) -> None:
    http.post(ENDPOINT, status=status, body=json.dumps({"id": 51, "shortname": "DUP-1"}))
    with pytest.raises(kind) as raised:
        duplicate(client)
    assert f"HTTP {status}" in str(raised.value)
    if isinstance(raised.value, NoTrustworthyAnswer):
        assert raised.value.detail == f"HTTP {status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_named_and_not_followed(http: responses.RequestsMock, client: MoodleClient, status: int) -> None:
    target = "https://www.example.edu/webservice/rest/server.php"
    http.post(ENDPOINT, status=status, headers={"Location": target})
    with pytest.raises(ConfigurationFault, match=target):
        duplicate(client)
    assert len(http.calls) == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (
            b"<!DOCTYPE html><title>Error | Moodle &amp; more</title>",
            "an HTML page (“Error | Moodle & more”)",
        ),
        (b"<html><body>It works!</body></html>", "an HTML page"),
        (b'<?xml version="1.0" encoding="UTF-8" ?><RESPONSE/>', "XML instead of JSON"),
        (b"<br />\n<b>Fatal error</b>: bla<br />", "PHP messages instead of an answer"),
        (b'{"id": 51, "shortname": "DUP', "JSON that is broken or cut short"),
        (b'{"id": 51, "shortname": "DUP-1"}{}', "JSON that is broken or cut short"),
        (b'{"id": NaN}', "JSON that is broken or cut short"),
        (b'{"id": 51, "shortname": "D\xe9P"}', "JSON that is broken or cut short"),
        (b"[" * 200_000, "JSON that is broken or cut short"),
        (b"9" * 10_000, "a body that is not JSON"),
        (b"\x1f\x8b\x00", "a body that is not JSON"),
        (b"null", "expected `object`, got `null`"),
    ],
)
def test_body_that_is_not_json_is_described(
    http: responses.RequestsMock, client: MoodleClient, body: bytes, detail: str
) -> None:
    http.post(ENDPOINT, body=body)
    with pytest.raises(NoTrustworthyAnswer) as raised:
        duplicate(client)
    assert raised.value.detail == detail
    assert detail in str(raised.value)
    assert len(http.calls) == 1


@given(st.binary(max_size=200), st.sampled_from([200, 200, 200, 302, 403, 500]))
def test_any_body_raises_only_moodle_errors(body: bytes, status: int) -> None:
    check(body, status)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "shortname", "exception", "errorcode", "message", "courses", "warnings"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(json_values)
def test_any_json_raises_only_moodle_errors(value: object) -> None:
    check(json.dumps(value).encode(), 200)


def check(body: bytes, status: int) -> None:
    with responses.RequestsMock() as http, MoodleClient(SITE, TOKEN) as client:
        http.post(ENDPOINT, body=body, status=status)
        asks: tuple[Callable[[], object], ...] = (
            lambda: duplicate(client),
            lambda: client.delete_course(5),
            lambda: client.course_by_id(5),
            lambda: client.contents(5),
            client.site_info,
            client.categories,
        )
        for ask in asks:
            error = failure(ask)
            if error is not None:
                assert str(error).endswith((".", "!", "?"))
                assert isinstance(error.errorcode, str)
                str(error).encode()  # Shown and stored texts must be encodable.


def failure(ask: Callable[[], object]) -> MoodleError | None:
    try:
        ask()
    except MoodleError as error:
        return error
    return None


def test_moodles_message_is_shown_shortened_without_control_characters(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    http.post(ENDPOINT, json={"exception": "x", "errorcode": "odd", "message": "a\x00\x1b[31m\nb" + "c" * 1000})
    with pytest.raises(UnknownRefusal) as raised:
        duplicate(client)
    assert raised.value.message.isprintable()
    assert len(raised.value.message) == 500


def test_lost_read_is_repeated_until_an_answer_can_be_trusted(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    http.post(ENDPOINT, status=502, body="<html>")
    http.post(ENDPOINT, body="")
    replay(http, "course_by_id")
    assert client.course_by_id(6) is not None
    assert len(http.calls) == 3


def test_lost_read_is_repeated_a_limited_number_of_times(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, status=502)
    with pytest.raises(NoTrustworthyAnswer):
        client.course_by_id(6)
    assert len(http.calls) == 3


@pytest.mark.parametrize("status", [500, 502])
def test_request_that_may_start_something_is_sent_once(
    http: responses.RequestsMock, client: MoodleClient, status: int
) -> None:
    http.post(ENDPOINT, status=status)
    names: dict[str, Any] = {"source_id": 5, "fullname": "x", "shortname": "x", "category_id": 1, "options": {}}
    asks: list[Callable[[], object]] = [
        lambda: duplicate(client),
        lambda: client.delete_course(5),
        lambda: client.async_duplicate_course(**names),
    ]
    for number, ask in enumerate(asks, start=1):
        with pytest.raises(NoTrustworthyAnswer):
            ask()
        assert len(http.calls) == number


def test_pickled_error_keeps_its_fields() -> None:
    error = ConfigurationFault("a", errorcode="b", function="c", advice="d")
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.errorcode, again.function, again.advice) == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "moodle.example.edu",
        "ftp://moodle.example.edu",
        "https://",
        "https://user:word@moodle.example.edu",
        "https://moodle.example.edu/login/index.php",
        "https://moodle.example.edu/?id=1",
        "https://moodle.example.edu:port",
        "https://[::1",
        "https://moodle example.edu",
        "https://*.example.edu",
    ],
)
def test_invalid_url_is_refused_with_advice(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://moodle\.example\.edu") as raised:
        MoodleClient(url, TOKEN)
    assert not isinstance(raised.value, MoodleError)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://moodle.example.edu", ENDPOINT),
        (" https://moodle.example.edu/ ", ENDPOINT),
        ("https://example.edu/moodle/", "https://example.edu/moodle/webservice/rest/server.php"),
        ("http://localhost:8800", "http://localhost:8800/webservice/rest/server.php"),
        ("http://[::1]:8800", "http://[::1]:8800/webservice/rest/server.php"),
    ],
)
def test_path_in_front_of_moodle_is_kept(http: responses.RequestsMock, url: str, endpoint: str) -> None:
    http.post(endpoint, json=capture("categories")["body"])
    with MoodleClient(url, TOKEN) as client:
        assert len(client.categories()) == 1


def test_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        MoodleClient(SITE, " ")
