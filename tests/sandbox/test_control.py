"""Tests the control endpoint of the sandbox over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from dupdash.sandbox.faults import Fault

from .support import SITE_INFO, SOURCE, Caller, await_until


def get(moodle: Caller, path: str = "") -> Any:
    answer = requests.get(f"{moodle.sandbox.url}/sandbox/control{path}", timeout=10)
    assert answer.status_code == 200
    return answer.json()


def listed(moodle: Caller, shortname: str) -> dict[str, Any]:
    (course,) = [one for one in get(moodle, "/courses")["courses"] if one["shortname"] == shortname]
    return dict(course)


def test_status_is_reported(moodle: Caller) -> None:
    told = get(moodle)
    assert (told["faults"], told["struck"], told["copies"]) == ([], {}, [])
    counters = ("asked", "started", "created", "refused", "disturbed", "watched")
    assert told["calls"] == {counter: {} for counter in counters} | {"deleted": [], "most_at_once": 0}


def test_faults_are_set_and_cleared(moodle: Caller) -> None:
    told = moodle.control(fault=["html=count:2", {"name": "slow", "factor": 3, "probability": 0.5}])
    assert told["faults"] == ["html", "slow"]
    assert moodle.sandbox.faults.all() == [
        Fault("html", count=2),
        Fault("slow", probability=0.5, parameters={"factor": 3.0}),
    ]
    assert moodle.control(clear=False)["faults"] == ["html", "slow"]
    assert moodle.control(clear=True)["faults"] == []


def test_fault_that_was_set_strikes_the_next_call(moodle: Caller) -> None:
    moodle.control(fault={"name": "html", "function": SITE_INFO})
    assert moodle.post(SITE_INFO, {}).text.startswith("<!DOCTYPE html>")
    assert get(moodle)["struck"] == {"html": 1}


def test_clear_is_applied_before_fault(moodle: Caller) -> None:
    moodle.control(fault="html")
    assert moodle.control(fault="slow", clear=True)["faults"] == ["slow"]


def test_copies_are_held_released_and_listed(moodle: Caller) -> None:
    moodle.control(hold=["hidden"])
    copying = moodle.duplicate_meanwhile("NEW-1")
    moodle.sandbox.wait_for_step("hidden", "NEW-1")
    (copy,) = get(moodle)["copies"]
    (made,) = moodle.made()
    assert copy == {"shortname": "NEW-1", "step": "hidden", "stalled": False}
    moodle.control(release=True)
    assert copying.result()["id"] == made.id


def test_requests_are_counted_by_short_name(moodle: Caller) -> None:
    moodle.duplicate("New-1")
    once = {"new-1": 1}
    counted = {
        "asked": once,
        "started": once,
        "created": once,
        "refused": {},
        "disturbed": {},
        "watched": {},
        "deleted": [],
        "most_at_once": 1,
    }
    assert get(moodle)["calls"] == counted


def test_deleted_courses_are_listed(moodle: Caller) -> None:
    copy, source = moodle.duplicate("New-1")["id"], moodle.source
    moodle.call("core_course_delete_courses", courseids=[copy, copy, 999_999])
    moodle.call("core_course_delete_courses", courseids=[source.id])
    of_copy, of_source = get(moodle)["calls"]["deleted"]
    held = {"visible": True, "complete": True, "sections": len(source.sections), "modules": len(source.modules)}
    assert of_copy == {"id": copy, "shortname": "New-1", "origin": "copy", "requested": "New-1"} | held
    assert of_source == {"id": source.id, "shortname": SOURCE, "origin": "seed", "requested": ""} | held


def test_every_course_is_listed(moodle: Caller) -> None:
    courses = get(moodle, "/courses")["courses"]
    assert len(courses) == len(moodle.sandbox.state.courses()) - 1  # The front page is not listed.
    assert listed(moodle, SOURCE) == {
        "id": moodle.source.id,
        "shortname": SOURCE,
        "fullname": "Introduction to Biology",
        "visible": 1,
        "category": moodle.source.categoryid,
        "sections": 16,
        "modules": 64,
        "complete": True,
        "copying": False,
        "origin": "seed",
        "requested": "",
    }


def test_partial_course_is_not_listed_as_copying(moodle: Caller) -> None:
    with moodle.sandbox.held_at("renamed"):
        copying = moodle.duplicate_meanwhile("NEW-1")
        moodle.sandbox.wait_for_step("renamed", "NEW-1")
        course = listed(moodle, f"{SOURCE}_1")
        assert (course["complete"], course["copying"]) == (False, True)
    copying.result()
    moodle.control(fault="killed_in_restore")
    moodle.ask_to_duplicate("NEW-2")
    course = listed(moodle, f"{SOURCE}_1")
    assert (course["complete"], course["copying"]) == (False, False)


def test_requested_short_name_is_reported_under_a_temporary_name(moodle: Caller) -> None:
    moodle.control(fault=["killed_in_restore", "persons_restore"])
    moodle.ask_to_duplicate("NEW-1")
    moodle.sandbox.wait_for_copies()
    told = {course["origin"]: course for course in get(moodle, "/courses")["courses"]}
    assert told["copy"]["shortname"] != "NEW-1"
    assert told["copy"]["requested"] == "NEW-1"
    assert told["person"]["requested"] == ""


def test_only_a_copy_that_stalls_is_listed_as_stalled(moodle: Caller) -> None:
    moodle.control(hold=["backup"], fault="stall=count:1,step:renamed")
    stalling, held = moodle.duplicate_meanwhile("NEW-1"), moodle.duplicate_meanwhile("NEW-2")
    moodle.sandbox.wait_for_step("backup", "NEW-1")
    moodle.sandbox.wait_for_step("backup", "NEW-2")
    assert [copy["stalled"] for copy in get(moodle)["copies"]] == [False, False]
    moodle.control(release=True)
    await_until(lambda: [copy["stalled"] for copy in get(moodle)["copies"]] == [True], "one to stall, one to end")
    # A copy that has ended is not listed any more, but its answer may still be on the way.
    await_until(lambda: stalling.done() or held.done(), "one answer")
    moodle.sandbox.stop()
    assert sorted(copying.exception(20) is None for copying in (stalling, held)) == [False, True]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "Expecting"),
        ("[]", "must be a JSON object"),
        ('{"explode": true}', "unknown: explode; known: clear, fault, maintenance"),
        ('{"fault": "meteorite"}', "no fault is called 'meteorite'"),
        ('{"fault": 3}', "fault must be text"),
        ('{"fault": {"name": "stall", "function": "core_course_get_contents"}}', "stall cannot affect"),
        ('{"fault": {"name": "html", "probability": "often"}}', "probability must be a number"),
        ('{"clear": "html"}', "clear must be true or false"),
        ('{"maintenance": 1}', "maintenance must be true or false"),
        ('{"hold": ["lunch"]}', "no such step: lunch"),
        ('{"hold": 3}', "hold must be a list"),
    ],
)
def test_invalid_command_is_explained(moodle: Caller, body: str, told: str) -> None:
    answer = requests.post(f"{moodle.sandbox.url}/sandbox/control", body, timeout=10)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_unknown_path_is_not_found(moodle: Caller) -> None:
    assert requests.get(f"{moodle.sandbox.url}/sandbox/control/lunch", timeout=10).status_code == 404
