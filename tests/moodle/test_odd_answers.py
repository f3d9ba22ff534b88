"""Tests answers that are only partly readable, and answers that do not come from Moodle."""

import json

import pytest
import responses
import time_machine

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, UnknownRefusal

from .support import ENDPOINT, TOKEN, duplicate

NOTICE = '<br />\n<b>Notice</b>:  Undefined array key "x" in <b>/srv/moodle/local/odd/lib.php</b> on line <b>[12]</b>\n'
DELETED = '<div class="alert alert-info">Deleted - Activities [12]</div>\n' * 3
COURSE = {"id": 5, "shortname": "A", "fullname": "B", "categoryid": 1}
CATEGORY = {"id": 1, "name": "C", "parent": 0, "depth": 1, "path": "/1", "sortorder": 1, "coursecount": 0}
BLOCKED = "<html><head><title>Just a moment…</title></head><body>Checking your browser</body></html>"


# --- Lists with some invalid records ---------------------------------------------------------------------------


def test_readable_courses_are_returned_and_odd_ones_named(
    http: responses.RequestsMock, client: MoodleClient, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {"id": 6, "shortname": "NO-FULL-NAME", "categoryid": 1}
    http.post(ENDPOINT, json={"total": 3, "courses": [COURSE, odd, COURSE | {"id": 7}]})
    assert [course.id for course in client.search_courses("A")] == [5, 7]
    (left_out,) = client.left_out
    assert left_out == "core_course_search_courses: item 1: object missing required field `fullname`"
    assert left_out in caplog.text


def test_one_odd_category_does_not_hide_the_others(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json=[CATEGORY | {"parent": None}, CATEGORY | {"id": 2}])
    assert [category.id for category in client.categories()] == [2]
    assert list(client.left_out) == ["core_course_get_categories: item 0: object missing required field `parent`"]


def test_list_without_a_readable_record_is_not_trusted(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json=[CATEGORY | {"parent": None}])
    with pytest.raises(NoTrustworthyAnswer):
        client.categories()


def test_unreadable_activity_is_counted_as_left_out(http: responses.RequestsMock, client: MoodleClient) -> None:
    activities = [{"id": 1, "name": "Quiz", "modname": "quiz"}, {"id": 2, "modname": "odd"}]
    http.post(ENDPOINT, json=[{"id": 1, "section": 0, "name": "General", "modules": activities}])
    contents = client.contents(5)
    assert (contents.section_count, contents.activities, contents.left_out) == (1, 1, 1)


def test_lookup_with_an_odd_course_is_not_trusted(http: responses.RequestsMock, client: MoodleClient) -> None:
    """A lookup with an invalid course is not trusted, because it decides whether a name is free or a course deleted."""
    http.post(ENDPOINT, json={"courses": [COURSE, {"id": 6, "shortname": "A"}]})
    with pytest.raises(NoTrustworthyAnswer):
        client.courses_by_shortname("A")


# --- Names that a database treats as equal ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [("TBIO 🚀", "TBIO 🧬"), ("Straße", "STRASSE"), ("CŒUR-1", "COEUR-1"), ("カタ-1", "かた-1"), ("A\u200bB", "AB")],
)
def test_course_with_a_name_that_the_database_treats_as_equal_is_found(
    http: responses.RequestsMock, client: MoodleClient, asked: str, found: str
) -> None:
    http.post(ENDPOINT, json={"courses": [COURSE | {"shortname": found}]})
    assert [course.shortname for course in client.courses_by_shortname(asked)] == [found]


def test_course_of_another_request_is_not_trusted(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json={"courses": [COURSE | {"shortname": "SOMETHING-ELSE"}]})
    http.post(ENDPOINT, json={"courses": []})
    with pytest.raises(NoTrustworthyAnswer, match="two different answers"):
        client.courses_by_shortname("A")


# --- Text in front of the JSON ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", [NOTICE, DELETED, "\ufeff", "PHP Warning:  odd\n", "<script>if (a) { b(); }</script>"]
)
def test_json_after_php_notices_is_read(http: responses.RequestsMock, client: MoodleClient, before: str) -> None:
    http.post(ENDPOINT, body=(before + json.dumps([CATEGORY])).encode())
    assert [category.id for category in client.categories()] == [1]
    assert bool(client.left_out) is (before != "\ufeff")


def test_deletion_with_html_in_front_of_its_answer_succeeds(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, body=DELETED + '{"warnings":[]}')
    assert client.delete_course(5) is True


@pytest.mark.parametrize(
    "body",
    [
        '<div>{"warnings":[]}</div>{"warnings":[]}',
        "<div>Deleted</div>[]",
        '<div>Deleted</div>{"warnings":[]',
        '<div>Deleted</div>{"warnings":[]}</html>',
        "<b>Notice</b> [1, 2]",
        "<" + "[" * 200_000 + "]",
    ],
)
def test_ambiguous_json_after_notices_is_not_trusted(
    http: responses.RequestsMock, client: MoodleClient, body: str
) -> None:
    http.post(ENDPOINT, body=body)
    with pytest.raises(NoTrustworthyAnswer):
        client.delete_course(5)


def test_error_with_the_key_error_instead_of_exception_is_recognized(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    http.post(ENDPOINT, json={"error": "Invalid token - token not found", "errorcode": "invalidtoken"})
    with pytest.raises(ConfigurationFault) as raised:
        client.categories()
    assert raised.value.errorcode == "invalidtoken"
    assert "MOODLE_TOKEN" in raised.value.advice


# --- Moodle's own message --------------------------------------------------------------------------------------


def test_error_keeps_moodles_own_words(http: responses.RequestsMock, client: MoodleClient) -> None:
    debuginfo = f"Error code: oddcode\nwstoken={TOKEN}, 'sesskey' => 'abcdef', \x1b[1m" + "x" * 9000
    answer = {"exception": "moodle_exception", "errorcode": "oddcode", "message": "AT&amp;T <b>broke</b>"}
    http.post(ENDPOINT, json=answer | {"debuginfo": debuginfo})
    with pytest.raises(UnknownRefusal) as raised:
        duplicate(client)
    words = raised.value.raw_error
    assert words is not None
    assert (words.errorcode, words.message) == ("oddcode", "AT&amp;T <b>broke</b>")
    assert words.debuginfo.startswith("Error code: oddcode\nwstoken=…, 'sesskey' => '…'")
    assert len(words.debuginfo) == 4000
    assert TOKEN not in words.debuginfo
    assert "\x1b" not in words.debuginfo


def test_error_without_a_message_of_moodle_has_no_words(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, status=502)
    with pytest.raises(NoTrustworthyAnswer) as raised:
        duplicate(client)
    assert raised.value.raw_error is None


# --- Proxies and firewalls in front of Moodle ------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 429, 502, 503])
def test_intermediary_is_named_with_the_title_of_its_page(
    http: responses.RequestsMock, client: MoodleClient, status: int
) -> None:
    http.post(ENDPOINT, status=status, body=BLOCKED)
    with pytest.raises(MoodleError) as raised:
        client.categories()
    text = str(raised.value)
    assert text.startswith("A proxy, a firewall or a web server")
    assert f"HTTP {status}" in text
    assert "“Just a moment…”" in text


def test_firewall_advice_names_the_user_agent(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, status=403, body=BLOCKED)
    with pytest.raises(ConfigurationFault, match="User-Agent “dupdash/"):
        client.categories()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sun, 29 Nov 2026 12:05:00 GMT", 300.0),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0.0),
        ("999999999999999999999", 3600.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
@time_machine.travel("2026-11-29T12:00:00Z", tick=False)
def test_retry_after_is_parsed_and_limited(
    http: responses.RequestsMock, client: MoodleClient, header: str, seconds: float | None
) -> None:
    http.post(ENDPOINT, status=503, headers={"Retry-After": header} if header else {})
    with pytest.raises(NoTrustworthyAnswer) as raised:
        duplicate(client)
    assert raised.value.retry_after == seconds


def test_read_with_retry_after_is_not_repeated_at_once(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, status=429, headers={"Retry-After": "60"})
    with pytest.raises(NoTrustworthyAnswer):
        client.categories()
    assert len(http.calls) == 1


def test_every_account_error_has_advice(http: responses.RequestsMock, client: MoodleClient) -> None:
    for errorcode, expected in (
        ("accessexception", "(1) Site administration"),
        ("sitepolicynotagreed", "once in a browser"),
        ("usernotfullysetup", "once in a browser"),
        ("forcepasswordchangenotice", "once in a browser"),
        ("wsaccessusersuspended", "end its suspension"),
        ("upgraderunning", "upgrade"),
    ):
        http.upsert(responses.POST, ENDPOINT, json={"exception": "x", "errorcode": errorcode, "message": "No."})
        with pytest.raises(ConfigurationFault) as raised:
            client.categories()
        assert expected in raised.value.advice
