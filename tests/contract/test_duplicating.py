"""``core_course_duplicate_course``, when it goes well."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import requests
from requests.exceptions import ReadTimeout

from tests.captures import capture

from .server import Site, flat
from .test_reading import modules_of

DUPLICATE = "core_course_duplicate_course"


def test_it_answers_the_id_and_the_shortname(site: Site) -> None:
    shortname = site.a_shortname()
    answer = site.duplicate(shortname)
    assert set(answer) == set(capture("duplicate_ok")["body"])
    assert answer["shortname"] == shortname
    assert site.course(answer["id"])["shortname"] == shortname


def test_the_copy_has_an_id_above_those_that_existed(site: Site, copied: int) -> None:
    assert copied > site.source
    assert site.duplicate(site.a_shortname())["id"] > copied


def test_the_copy_carries_what_was_asked_for(site: Site, copied: int) -> None:
    course = site.course(copied)
    assert course["shortname"].startswith("dupdash-contract-")
    assert course["fullname"] == f"dupdash contract {course['shortname']}"
    assert course["categoryid"] == site.category
    assert course["visible"] == 0


def test_the_copy_is_visible_unless_asked_otherwise(site: Site) -> None:
    made = site.duplicate(site.a_shortname())["id"]
    assert site.course(made)["visible"] == 1


def test_the_copy_has_the_sections_and_activities_of_its_source(site: Site, copied: int) -> None:
    # trace_sync_duplicate.json: as many of both
    source, copy = site.contents(site.source), site.contents(copied)
    assert len(copy) == len(source)
    assert Counter(names(copy)) == Counter(names(source))


def test_the_copy_carries_its_sources_timecreated(site: Site, copied: int) -> None:
    # Measured: no telling from it when the copy was made.
    assert site.course(copied)["timecreated"] == site.course(site.source)["timecreated"]


def test_names_come_back_html_escaped_and_are_looked_up_raw(site: Site) -> None:
    # course_names_are_html_escaped.json: & < > are, quotes are not
    shortname = site.a_shortname("-AT&T")
    made = site.duplicate(shortname, fullname=f'dupdash contract & "q" Ünï 漢字 5 > 3 {shortname}')["id"]
    (course,) = site.by_field("shortname", shortname)
    escaped = shortname.replace("&", "&amp;")
    assert course["id"] == made
    assert course["shortname"] == escaped
    assert course["fullname"] == f'dupdash contract &amp; "q" Ünï 漢字 5 &gt; 3 {escaped}'
    assert site.by_field("shortname", escaped) == []


def test_an_empty_fullname_is_accepted(site: Site) -> None:
    # Measured: Moodle checks neither name for being empty.
    assert "id" in site.duplicate(site.a_shortname(), fullname="")


def test_options_that_need_users_are_accepted_without_them(site: Site) -> None:
    # Measured: with users=0 they do nothing.
    without = ["role_assignments", "comments", "userscompletion", "logs", "grade_histories"]
    options = [{"name": "users", "value": 0}, *({"name": name, "value": 1} for name in without)]
    assert "id" in site.duplicate(site.a_shortname(), options=options)


def test_it_answers_xml(site: Site) -> None:
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname = site.a_shortname()
    response = site.server.post(DUPLICATE, flat(site.copy_params(shortname)))
    (course,) = site.by_field("shortname", shortname)
    captured = capture("duplicate_as_xml")
    expected = re.sub(r"<VALUE>53<", f"<VALUE>{course['id']}<", captured["body"])
    assert response.text == expected.replace(captured["request"]["shortname"], shortname)


def test_what_is_seen_meanwhile_comes_in_order(site: Site) -> None:
    """trace_sync_duplicate.json; which of the steps are seen depends on luck, their order does not."""
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname = site.a_shortname()
    source = site.course(site.source)
    copying = threading.Thread(target=site.duplicate, args=(shortname,), kwargs={"visible": 0})
    copying.start()
    seen: list[str] = []
    courseid: int | None = None
    while copying.is_alive():
        wanted = {"field": "id", "value": courseid} if courseid else {"field": "shortname", "value": shortname}
        # A course that is just being made may be no good for an answer.
        for course in site.call("core_course_get_courses_by_field", **wanted).get("courses", []):
            courseid = course["id"]
            step = step_of(course, shortname, source)
            if seen[-1:] != [step]:
                seen.append(step)
    copying.join()
    (course,) = site.by_field("shortname", shortname)
    assert step_of(course, shortname, source) == "requested names"
    assert courseid in (None, course["id"])
    assert seen in (
        [],
        ["requested names"],
        ["temporary names"],
        ["requested names", "temporary names"],
        ["temporary names", "requested names"],
        ["requested names", "temporary names", "requested names"],
    )


def test_a_copy_goes_on_when_its_caller_has_left(site: Site) -> None:
    """Measured: a lost answer is not a failure."""
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname = site.a_shortname()
    fields = {
        "wstoken": site.server.token,
        "wsfunction": DUPLICATE,
        "moodlewsrestformat": "json",
        **site.copy_params(shortname),
    }
    sandbox = site.server.sandbox
    held = sandbox.held_at("backup") if sandbox else nullcontext()
    # A real site may be done before its caller is gone.
    leaving = pytest.raises(ReadTimeout) if sandbox else suppress(ReadTimeout)
    with held, leaving:
        requests.post(site.server.endpoint, fields, timeout=(10, 0.3))
    course = finished_course(site, shortname)
    assert course["fullname"] == f"dupdash contract {shortname}"
    assert Counter(names(site.contents(course["id"]))) == Counter(names(site.contents(site.source)))


def finished_course(site: Site, shortname: str) -> dict[str, Any]:
    """The course that carries the name asked for and has content."""
    deadline = time.monotonic() + (10 if site.server.sandbox else 900)
    while time.monotonic() < deadline:
        for course in site.by_field("shortname", shortname):
            if course["visible"] == 1 and site.contents(course["id"]):
                return course
        time.sleep(0.02 if site.server.sandbox else 0.5)
    raise AssertionError(f"{shortname} was never finished")


def step_of(course: dict[str, Any], shortname: str, source: dict[str, Any]) -> str:
    if course["shortname"] == shortname:
        assert course["visible"] == 0  # hidden was asked for, and hidden is how the row begins
        return "requested names"
    # Named after its source, visible whatever was asked for.
    stem, _, number = course["shortname"].rpartition("_")
    assert source["shortname"].startswith(stem)
    assert number.isdecimal()
    assert course["visible"] == 1
    return "temporary names"


def names(sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(module["modname"], module["name"]) for module in modules_of(sections)]
