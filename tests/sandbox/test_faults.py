"""Tests the effect of each fault of the sandbox on the caller and on the copy."""

from __future__ import annotations

import json

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout

from dupdash.sandbox.faults import CATALOGUE, COPYING, UnknownFault, make_fault, parse_fault
from dupdash.sandbox.records import Course

from .conftest import Serve
from .support import BY_FIELD, DUPLICATE, SITE_INFO, SOURCE, Caller, await_until

NEW = "NEW-1"
RESET = (ConnectionError, ChunkedEncodingError)


def finished(moodle: Caller) -> Course:
    """Assert that there is exactly one copy, which is finished and has the requested names."""
    moodle.sandbox.wait_for_copies()
    (course,) = moodle.made()
    assert (course.shortname, course.fullname) == (NEW, f"Copy {NEW}")
    assert course.complete
    assert course.sections
    return course


def partial(moodle: Caller) -> Course:
    moodle.sandbox.wait_for_copies()
    (course,) = moodle.made()
    assert not course.complete
    return course


def test_refuse_closes_the_port_and_ends_by_itself(moodle: Caller) -> None:
    # Idle connections are closed, too, so that they cannot be used while the port is closed.
    with requests.Session() as session:
        url = f"{moodle.sandbox.url}/"
        assert session.get(url, timeout=10).status_code == 200
        moodle.sandbox.faults.set("refuse", seconds=1)
        with pytest.raises(ConnectionError):
            session.get(url, timeout=10)
        with pytest.raises(ConnectionError, match="refused"):
            session.get(url, timeout=10)
        await_answer(url)


def test_refuse_ends_when_it_is_cleared(moodle: Caller) -> None:
    moodle.sandbox.faults.set("refuse", seconds=3600)
    with pytest.raises(ConnectionError, match="refused"):
        moodle.call(SITE_INFO)
    moodle.sandbox.faults.clear()
    assert "functions" in moodle.call(SITE_INFO)


def test_refuse_lets_a_running_request_finish(moodle: Caller) -> None:
    with moodle.sandbox.held_at("backup"):
        copying = moodle.duplicate_meanwhile(NEW)
        moodle.sandbox.wait_for_step("backup", NEW)
        moodle.sandbox.faults.set("refuse", seconds=3600)
    assert copying.result()["shortname"] == NEW


def await_answer(url: str) -> None:
    def answers() -> bool:
        try:
            return requests.get(url, timeout=10).status_code == 200
        except ConnectionError:
            return False

    await_until(answers, "the door to open again")


def test_reset_before_starts_nothing(moodle: Caller) -> None:
    moodle.sandbox.faults.set("reset_before", count=1)
    with pytest.raises(RESET):
        moodle.duplicate(NEW)
    assert moodle.sandbox.calls.asked == {}
    assert moodle.duplicate(NEW)["shortname"] == NEW


def test_forbidden_starts_nothing(moodle: Caller) -> None:
    moodle.sandbox.faults.set("forbidden")
    response = moodle.ask_to_duplicate(NEW)
    assert (response.status_code, response.content) == (403, b"")
    assert moodle.sandbox.calls.asked == {}


@pytest.mark.parametrize("name", ["reset_during", "reset_after"])
def test_reset_leaves_the_copy_to_finish(moodle: Caller, name: str) -> None:
    moodle.sandbox.faults.set(name)
    with pytest.raises(RESET):
        moodle.duplicate(NEW)
    finished(moodle)


def test_reset_during_comes_before_the_copy_is_done(serve: Serve) -> None:
    moodle = serve(speed=50)
    moodle.sandbox.faults.set("reset_during", at=0)
    with moodle.sandbox.held_at("backup"):
        with pytest.raises(RESET):
            moodle.duplicate(NEW)
        assert moodle.sandbox.copies.running() == 1
    finished(moodle)


@pytest.mark.parametrize(("name", "status"), [("gateway_timeout", 504), ("bad_gateway", 502)])
def test_proxy_gives_up_while_moodle_goes_on(moodle: Caller, name: str, status: int) -> None:
    moodle.sandbox.faults.set(name, at=0.01)
    with moodle.sandbox.held_at("backup"):
        response = moodle.ask_to_duplicate(NEW)
        assert response.status_code == status
        assert response.headers["Content-Type"] == "text/html"
        assert moodle.sandbox.copies.running() == 1
    finished(moodle)


def test_empty_answer_comes_after_the_work(moodle: Caller) -> None:
    moodle.sandbox.faults.set("empty")
    response = moodle.ask_to_duplicate(NEW)
    assert (response.status_code, response.content) == (200, b"")
    finished(moodle)


def test_html_answer_comes_after_the_work(moodle: Caller) -> None:
    moodle.sandbox.faults.set("html")
    response = moodle.ask_to_duplicate(NEW)
    assert response.status_code == 200
    assert response.text.startswith("<!DOCTYPE html>")
    finished(moodle)


def test_truncated_answer_comes_after_the_work(moodle: Caller) -> None:
    moodle.sandbox.faults.set("truncated")
    response = moodle.ask_to_duplicate(NEW)
    assert response.status_code == 200
    assert response.content.startswith(b'{"id":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)
    finished(moodle)


def test_wrong_course_is_named(moodle: Caller) -> None:
    moodle.sandbox.faults.set("wrong_course")
    answer = moodle.duplicate(NEW)
    course = finished(moodle)
    assert answer["id"] != course.id
    assert answer["shortname"] == moodle.course(answer["id"])["shortname"] != NEW


def test_read_with_wrong_course_describes_another_course(moodle: Caller) -> None:
    moodle.sandbox.faults.set("wrong_course", function="*")
    (course,) = moodle.by_shortname(SOURCE)
    assert course["shortname"] != SOURCE
    theirs = moodle.call("core_course_get_contents", courseid=moodle.source.id)
    assert len(theirs) != len(moodle.source.sections)


def test_wrong_course_does_not_strike_a_read_without_a_course(moodle: Caller) -> None:
    moodle.sandbox.faults.set("wrong_course", function="*")
    assert "functions" in moodle.call(SITE_INFO)
    assert moodle.sandbox.faults.struck == {}


@pytest.mark.parametrize("name", [name for name, kind in CATALOGUE.items() if kind.affects == COPYING])
def test_fault_for_copies_does_not_strike_reads(moodle: Caller, name: str) -> None:
    moodle.sandbox.faults.set(name, function="*")
    moodle.by_shortname(SOURCE)
    assert moodle.sandbox.faults.struck == {}


def test_storedfilenotcreated_leaves_nothing(moodle: Caller) -> None:
    moodle.sandbox.faults.set("storedfilenotcreated")
    assert moodle.duplicate(NEW)["errorcode"] == "storedfilenotcreated"
    assert moodle.made() == []
    assert moodle.sandbox.calls.refused == {NEW.casefold(): 1}


def test_slow_makes_a_copy_take_longer(moodle: Caller) -> None:
    with moodle.sandbox.held_at("backup"):
        usual = moodle.duplicate_meanwhile(NEW)
        moodle.sandbox.wait_for_step("backup", NEW)
        moodle.sandbox.faults.set("slow", factor=5)
        slow = moodle.duplicate_meanwhile("NEW-2")
        moodle.sandbox.wait_for_step("backup", "NEW-2")
        seconds = {copy.request.shortname: copy.seconds for copy in moodle.sandbox.copies.all()}
    assert seconds["NEW-2"] > 3 * seconds[NEW]
    assert usual.result()["shortname"] == NEW
    assert slow.result()["shortname"] == "NEW-2"


def test_slow_makes_a_read_take_longer(moodle: Caller) -> None:
    moodle.sandbox.faults.set("slow", function=BY_FIELD, factor=100_000)
    with pytest.raises(ReadTimeout):
        requests.post(
            f"{moodle.sandbox.url}/webservice/rest/server.php",
            {"wstoken": moodle.sandbox.token, "wsfunction": BY_FIELD},
            timeout=0.2,
        )
    assert "functions" in moodle.call(SITE_INFO)


def test_php_killed_in_the_backup_leaves_nothing(moodle: Caller) -> None:
    moodle.sandbox.faults.set("killed_in_backup")
    assert moodle.ask_to_duplicate(NEW).status_code == 502
    assert moodle.sandbox.calls.started == {NEW.casefold(): 1}
    assert moodle.sandbox.calls.refused == {}
    assert moodle.made() == []


@pytest.mark.parametrize(
    ("step", "shortname", "visible", "content"),
    [
        ("hidden", NEW, 0, False),
        ("renamed", f"{SOURCE}_1", 1, False),
        ("content", f"{SOURCE}_1", 1, True),
    ],
)
def test_php_killed_in_the_restore_leaves_a_partial_course(
    moodle: Caller, step: str, shortname: str, visible: int, content: bool
) -> None:
    moodle.sandbox.faults.set("killed_in_restore", step=step)
    assert moodle.ask_to_duplicate(NEW, visible=0).status_code == 502
    course = partial(moodle)
    assert (course.shortname, course.visible, bool(course.sections)) == (shortname, visible, content)


def test_killed_php_answers_as_the_fault_says(moodle: Caller) -> None:
    moodle.sandbox.faults.set("killed_in_backup", answer="empty")
    response = moodle.ask_to_duplicate(NEW)
    assert (response.status_code, response.content) == (200, b"")
    moodle.sandbox.faults.set("killed_in_backup", answer="reset")
    with pytest.raises(RESET):
        moodle.duplicate(NEW)


def test_exception_in_the_restore_leaves_a_partial_course(moodle: Caller) -> None:
    moodle.sandbox.faults.set("exception_in_restore", errorcode="dmlwriteexception")
    assert moodle.duplicate(NEW)["errorcode"] == "dmlwriteexception"
    assert partial(moodle).shortname == f"{SOURCE}_1"
    # The error does not prove that no course was created.
    assert moodle.sandbox.calls.refused == {}


def test_php_error_in_the_restore_has_no_code(moodle: Caller) -> None:
    moodle.sandbox.faults.set("exception_in_restore", errorcode="none", step="hidden")
    assert set(moodle.duplicate(NEW)) == {"exception", "message"}
    assert partial(moodle).shortname == NEW


def test_restore_by_hand_stays_beside_the_copy(moodle: Caller) -> None:
    moodle.sandbox.faults.set("persons_restore", count=1)
    assert moodle.duplicate(NEW)["shortname"] == NEW
    moodle.sandbox.wait_for_copies()
    by_origin = {course.origin: course for course in moodle.made()}
    assert by_origin["copy"].shortname == NEW
    person = by_origin["person"]
    assert person.shortname in (f"{SOURCE}_1", f"{SOURCE}_2")
    assert person.complete
    assert (person.visible, person.categoryid) == (1, moodle.source.categoryid)
    assert len(person.modules) == len(moodle.source.modules)
    assert moodle.sandbox.calls.asked == {NEW.casefold(): 1}


def test_stalled_copy_stays_until_the_sandbox_stops(moodle: Caller) -> None:
    moodle.sandbox.faults.set("stall", count=1, step="renamed")
    stalled = moodle.duplicate_meanwhile(NEW)
    moodle.sandbox.wait_for_step("renamed", NEW)
    # Another copy that began later is finished in the meantime.
    assert moodle.duplicate("NEW-2")["shortname"] == "NEW-2"
    assert not stalled.done()
    assert moodle.sandbox.copies.running() == 1
    moodle.sandbox.stop()
    assert stalled.exception(20) is not None
    assert [course.shortname for course in moodle.made() if not course.complete] == [f"{SOURCE}_1"]


def test_fault_with_a_count_ends_after_it(moodle: Caller) -> None:
    moodle.sandbox.faults.set("html", count=2, function=SITE_INFO)
    answers = [moodle.post(SITE_INFO, {}).text.startswith("<!DOCTYPE") for _ in range(3)]
    assert answers == [True, True, False]
    assert moodle.sandbox.faults.struck == {"html": 2}
    assert moodle.sandbox.faults.all() == []


def test_fault_with_a_probability_strikes_reproducibly(serve: Serve) -> None:
    def struck() -> list[bool]:
        faults = serve().sandbox.faults
        faults.set("html", probability=0.5)
        return [bool(faults.strike(DUPLICATE)) for _ in range(40)]

    first = struck()
    assert 0 < sum(first) < 40
    assert struck() == first


def test_fault_strikes_only_copies_by_default(moodle: Caller) -> None:
    moodle.sandbox.faults.set("html")
    assert "functions" in moodle.call(SITE_INFO)
    moodle.sandbox.faults.set("html", function="*")
    assert moodle.post(SITE_INFO, {}).text.startswith("<!DOCTYPE")
    moodle.sandbox.faults.clear()
    assert "functions" in moodle.call(SITE_INFO)


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        ("unavailable", 503, "503 Service Temporarily Unavailable"),
        ("bad_gateway", 502, "502 Bad Gateway"),
        ("page", 200, "undergoing maintenance"),
        ("upgrade", 200, '"errorcode":"upgraderunning"'),
        ("blocked", 403, "Just a moment"),
        ("limited", 429, "429 Too Many Requests"),
    ],
)
def test_site_down_answers_every_function(moodle: Caller, answer: str, status: int, content: str) -> None:
    moodle.sandbox.faults.set("site_down", answer=answer)
    for response in (moodle.post(SITE_INFO, {}), moodle.ask_to_duplicate(NEW)):
        assert (response.status_code, content in response.text) == (status, True)
        assert response.headers.get("Retry-After") == ("120" if answer == "limited" else None)
    assert moodle.made() == []


def test_notice_is_put_in_front_of_the_answer(moodle: Caller) -> None:
    moodle.sandbox.faults.set("notice", function=SITE_INFO)
    body = moodle.post(SITE_INFO, {}).text
    assert body.startswith("<div")
    assert json.loads(body[body.index("{") :])["functions"]


def test_odd_record_lacks_its_name(moodle: Caller) -> None:
    moodle.sandbox.faults.set("odd_record")
    first, second, *_ = moodle.call("core_course_get_categories")
    assert "name" not in first
    assert "name" in second


def test_invalid_response_strikes_reads_only(moodle: Caller) -> None:
    moodle.sandbox.faults.set("invalid_response")
    assert moodle.call(SITE_INFO)["errorcode"] == "invalidresponse"
    assert "id" in moodle.duplicate(NEW)


def test_damaged_refusal_is_not_counted_as_refused(moodle: Caller) -> None:
    moodle.sandbox.faults.set("truncated")
    assert moodle.ask_to_duplicate(SOURCE).status_code == 200
    assert moodle.sandbox.calls.refused == {}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_fault_can_be_named(name: str) -> None:
    assert parse_fault(name).name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("html=0.25", {"probability": 0.25}),
        ("html=count:3", {"count": 3}),
        ("html=probability:0.5,function:*", {"probability": 0.5, "function": "*"}),
        ("killed_in_restore=step:hidden,answer:reset", {"parameters": {"step": "hidden", "answer": "reset"}}),
        ("slow=factor:3", {"parameters": {"factor": 3.0}}),
    ],
)
def test_fault_is_read_from_text(text: str, expected: dict[str, object]) -> None:
    fault = parse_fault(text)
    assert {name: getattr(fault, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("meteorite", "persons_restore"),
        ("html=often", "probability must be a number"),
        ("html=2", "probability must lie between 0 and 1"),
        ("html=nan", "probability must lie between 0 and 1"),
        ("html=count:0", "count must be a whole number"),
        ("html=count:inf", "count must be a whole number"),
        ("html=step:hidden", "has no parameter 'step'"),
        ("killed_in_restore=step:backup", "hidden, renamed, content"),
        ("killed_in_backup=answer:maybe", "bad_gateway, reset, empty"),
        ("html=count:1,oops", "'oops' is not parameter:value"),
        ("stall=function:core_course_get_contents", "stall cannot affect 'core_course_get_contents'; it affects core_"),
        ("persons_restore=function:core_webservice_get_site_info", "cannot affect"),
        ("wrong_course=function:core_webservice_get_site_info", "core_course_get_contents, core_course_get_courses_by"),
    ],
)
def test_invalid_fault_is_explained(text: str, told: str) -> None:
    with pytest.raises(UnknownFault, match=told):
        parse_fault(text)


def test_fault_accepts_numbers() -> None:
    assert make_fault("gateway_timeout", at=1, count=2).parameters == {"at": 1.0}
