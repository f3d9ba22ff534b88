"""Tests the sandbox with ``--proposed``: the two MDL-64916 services, with the progress of trace_copy_progress.json."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import Serve
from .support import NEW, SITE_INFO, SOURCE, START, STATUS, Caller, await_until, start, start_params, status


@pytest.fixture
def proposed(serve: Serve) -> Caller:
    return serve(proposed=True)


def test_proposed_functions_are_offered_only_on_request(moodle: Caller, proposed: Caller) -> None:
    for caller, offered in ((moodle, False), (proposed, True)):
        names = {function["name"] for function in caller.call(SITE_INFO)["functions"]}
        assert ({START, STATUS} <= names) is offered
    assert moodle.call(START)["errorcode"] == "invalidrecord"


def test_copy_runs_in_the_background(proposed: Caller) -> None:
    duplicateid = start(proposed)
    assert re.fullmatch("[0-9a-f]{32}", duplicateid)
    await_until(lambda: status(proposed, duplicateid) == (2, 1000, 1), "the copy to finish")
    course = proposed.sandbox.course(NEW)
    assert course.complete
    assert len(course.modules) == 64
    assert proposed.sandbox.calls.created == {NEW.casefold(): 1}


def test_progress_is_that_of_the_phase_and_can_go_back(serve: Serve) -> None:
    proposed = serve(proposed=True, speed=4)
    duplicateid = start(proposed)
    seen: list[tuple[int, int, float]] = []

    def done() -> bool:
        now = status(proposed, duplicateid)
        if not seen or seen[-1] != now:
            seen.append(now)
        return now[1] == 1000

    await_until(done, "the copy to finish")
    phases = [phase for phase, _, _ in seen]
    assert phases == sorted(phases)
    assert seen[0] == (1, 700, 0)
    assert any(phase == 1 and code == 800 and 0 < progress < 1 for phase, code, progress in seen)
    codes = [code for phase, code, _ in seen if phase == 2]
    # The statuses are 200, 600, 700, 800 and done, as in the trace.
    assert list(dict.fromkeys(codes)) == [200, 600, 700, 800, 1000]
    restored = [progress for phase, code, progress in seen if phase == 2 and code == 800]
    assert restored[0] == 1
    assert 0 < restored[1] < 1


@pytest.mark.parametrize(
    "options", [[{"name": "activities", "value": 0}], [{"activities": 0}], [{"users": 0, "activities": 0}]]
)
def test_options_are_accepted_in_both_forms(proposed: Caller, options: list[dict[str, Any]]) -> None:
    duplicateid = start(proposed, options=options)
    await_until(lambda: status(proposed, duplicateid)[1] == 1000)
    assert proposed.sandbox.course(NEW).modules == ()


@pytest.mark.parametrize(
    ("changes", "errorcode"),
    [
        ({"courseid": 99_999}, "invalidcourseid"),
        ({"categoryid": 99_999}, "invalidrecord"),
        ({"shortname": SOURCE}, "shortnametaken"),
        ({"fullname": "<b>x</b>"}, "invalidparameter"),
        ({"options": [{"name": "bogus", "value": 1}]}, "invalidextparam"),
        ({"options": [{"users": 7}]}, "invalidextparam"),
        ({"options": [{"bogus": 1}]}, "invalidparameter"),
    ],
)
def test_invalid_request_is_refused_as_by_moodle(proposed: Caller, changes: dict[str, Any], errorcode: str) -> None:
    assert proposed.call(START, **start_params(proposed, **changes))["errorcode"] == errorcode
    assert proposed.made() == []


def test_unknown_id_is_refused(proposed: Caller) -> None:
    assert proposed.call(STATUS, duplicateid="0" * 32)["errorcode"] == "invalidrecord"


def test_failure_is_reported(proposed: Caller) -> None:
    proposed.sandbox.faults.set("storedfilenotcreated")
    duplicateid = start(proposed)
    await_until(lambda: status(proposed, duplicateid)[:2] == (1, 900), "the failure to be told")
    assert proposed.made() == []


def test_failure_in_the_restore_is_reported(proposed: Caller) -> None:
    proposed.sandbox.faults.set("exception_in_restore")
    duplicateid = start(proposed)
    await_until(lambda: status(proposed, duplicateid)[:2] == (2, 900), "the failure to be told")


def test_killed_copy_keeps_its_status(proposed: Caller) -> None:
    proposed.sandbox.faults.set("killed_in_restore")
    duplicateid = start(proposed)
    await_until(lambda: proposed.made() and not proposed.sandbox.copies.running())
    assert status(proposed, duplicateid)[:2] == (2, 800)


def test_wrong_course_names_another_duplication(proposed: Caller) -> None:
    first = start(proposed)
    proposed.sandbox.faults.set("wrong_course", count=1)
    assert start(proposed, shortname="NEW-2") == first
    assert proposed.sandbox.faults.struck == {"wrong_course": 1}
    await_until(lambda: {course.shortname for course in proposed.made() if course.complete} == {NEW, "NEW-2"})


def test_wrong_course_names_an_unknown_id_without_another_copy(proposed: Caller) -> None:
    proposed.sandbox.faults.set("wrong_course")
    assert proposed.call(STATUS, duplicateid=start(proposed))["errorcode"] == "invalidrecord"
    await_until(lambda: [course.shortname for course in proposed.made() if course.complete] == [NEW])


def test_wrong_course_reports_the_status_of_another_duplication(proposed: Caller) -> None:
    ended = start(proposed)
    await_until(lambda: status(proposed, ended)[1] == 1000, "the copy to finish")
    with proposed.sandbox.held_at("backup"):
        running = start(proposed, shortname="NEW-2")
        proposed.sandbox.wait_for_step("backup", "NEW-2")
        proposed.sandbox.faults.set("wrong_course", function=STATUS, count=1)
        assert status(proposed, running) == (2, 1000, 1)
        assert status(proposed, running)[0] == 1


def test_lost_answer_leaves_the_copy_to_finish(proposed: Caller) -> None:
    proposed.sandbox.faults.set("gateway_timeout")
    assert proposed.post(START, start_params(proposed)).status_code == 504
    await_until(lambda: [course.shortname for course in proposed.made() if course.complete] == [NEW])
