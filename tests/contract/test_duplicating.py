"""Tests successful calls of ``core_course_duplicate_course``."""

from __future__ import annotations

import html
import itertools
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

from .test_reading import modules_of
from .tested_server import Site, flat

DUPLICATE = "core_course_duplicate_course"


def test_duplication_answers_id_and_short_name(site: Site) -> None:
    shortname = site.a_shortname()
    answer = site.duplicate(shortname)
    assert set(answer) >= {"id", "shortname"}
    assert answer["shortname"] == shortname
    assert site.course(answer["id"])["shortname"] == shortname


def test_copy_has_a_higher_id_than_existing_courses(site: Site, copied: int) -> None:
    assert copied > site.source
    assert site.duplicate(site.a_shortname())["id"] > copied


def test_copy_has_the_requested_names_and_category(site: Site, copied: int) -> None:
    course = site.course(copied)
    assert course["shortname"].startswith("dupdash-contract-")
    assert course["fullname"] == f"dupdash contract {course['shortname']}"
    assert course["categoryid"] == site.category
    assert course["visible"] == 0


def test_copy_is_visible_by_default(site: Site) -> None:
    made = site.duplicate(site.a_shortname())["id"]
    assert site.course(made)["visible"] == 1


def test_copy_has_the_sections_and_activities_of_its_source(site: Site, copied: int) -> None:
    # trace_sync_duplicate.json: as many of both
    source, copy = site.contents(site.source), site.contents(copied)
    assert len(copy) == len(source)
    assert_copied(copy, source)


def test_copy_has_the_timecreated_of_its_source(site: Site, copied: int) -> None:
    # The field does not say when the copy was made (measured). Moodle returns it to users who may update the course.
    source = site.course(site.source)
    if "timecreated" not in source:
        pytest.skip("the account may not update the source")
    assert site.course(copied)["timecreated"] == source["timecreated"]


def test_names_come_back_html_escaped_and_are_looked_up_raw(site: Site) -> None:
    # As in course_names_are_html_escaped.json, & < > are escaped and quotes are not.
    shortname = site.a_shortname("-AT&T")
    made = site.duplicate(shortname, fullname=f'dupdash contract & "q" Ünï 漢字 5 > 3 {shortname}')["id"]
    (course,) = site.by_field("shortname", shortname)
    escaped = shortname.replace("&", "&amp;")
    assert course["id"] == made
    assert course["shortname"] == escaped
    assert course["fullname"] == f'dupdash contract &amp; "q" Ünï 漢字 5 &gt; 3 {escaped}'
    assert site.by_field("shortname", escaped) == []


def test_empty_fullname_is_accepted(site: Site) -> None:
    # Moodle does not check whether the names are empty (measured).
    assert "id" in site.duplicate(site.a_shortname(), fullname="")


def test_options_that_need_users_are_accepted_without_them(site: Site) -> None:
    # With users=0 they have no effect (measured).
    without = ["role_assignments", "comments", "userscompletion", "logs", "grade_histories"]
    options = [{"name": "users", "value": 0}, *({"name": name, "value": 1} for name in without)]
    assert "id" in site.duplicate(site.a_shortname(), options=options)


def test_duplication_can_be_answered_as_xml(site: Site) -> None:
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname = site.a_shortname()
    response = site.server.post(DUPLICATE, flat(site.copy_params(shortname)))
    (course,) = site.by_field("shortname", shortname)
    captured = capture("duplicate_as_xml")
    expected = re.sub(r"<VALUE>53<", f"<VALUE>{course['id']}<", captured["body"])
    assert response.text == expected.replace(captured["request"]["shortname"], shortname)


def next_temporary_name(site: Site) -> str:
    """Return the temporary short name that the next copy of the source will have."""
    stem = html.unescape(site.course(site.source)["shortname"])
    names = (f"{stem}_{number}" for number in itertools.count(1))
    return next(name for name in names if not site.by_field("shortname", name))


def test_copy_has_a_temporary_name_during_the_restore(site: Site) -> None:
    """During the restore a copy has a temporary name, as in trace_sync_duplicate.json.

    The test does not look up the requested name, because this can break the copy (measured).
    """
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname, temporary = site.a_shortname(), next_temporary_name(site)
    copying = threading.Thread(target=site.duplicate, args=(shortname,), kwargs={"visible": 0})
    copying.start()
    seen: set[int] = set()
    while copying.is_alive():
        answer = site.call("core_course_get_courses_by_field", field="shortname", value=temporary)
        # Moodle may not be able to describe a course that is just being created.
        for course in answer.get("courses", []):
            # The course is visible during the restore, even if a hidden copy was requested.
            assert course["visible"] == 1
            seen.add(course["id"])
    copying.join()
    (course,) = site.by_field("shortname", shortname)
    assert course["visible"] == 0
    # A small copy may be complete before the first lookup.
    assert seen in (set(), {course["id"]})


def test_hidden_row_has_no_start_date_until_it_is_renamed(site: Site) -> None:
    """A restore begins with a hidden course without a start date, and sets the date with the temporary name (measured).

    The test looks up the requested name, which can break the copy. The hidden course is left then.
    """
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname, temporary = site.a_shortname(), next_temporary_name(site)
    expected = site.course(site.source)["startdate"]
    assert expected, "the source needs a start date"
    sandbox = site.server.sandbox
    with sandbox.held_at("hidden") if sandbox else nullcontext():
        copying = threading.Thread(target=site.duplicate, args=(shortname,))
        copying.start()
        if sandbox:
            sandbox.wait_for_step("hidden")
        hidden = None
        # A course with an empty full name or without a context cannot be described, and a small copy may be quicker.
        while hidden is None and copying.is_alive():
            answer = site.call("core_course_get_courses_by_field", field="shortname", value=shortname)
            hidden = next((course for course in answer.get("courses", []) if not course["visible"]), None)
            time.sleep(0.02)
        assert hidden is not None or not sandbox
    while copying.is_alive():
        for course in site.by_field("shortname", temporary):
            assert course["startdate"] == expected
    copying.join()
    if hidden is not None:
        assert hidden["startdate"] == 0
    for course in site.by_field("shortname", shortname):
        assert course["startdate"] == (expected if course["visible"] else 0)


def test_copy_goes_on_after_its_caller_has_left(site: Site) -> None:
    """Moodle completes a copy after its caller has disconnected (measured)."""
    site.needs(DUPLICATE, "core_course_delete_courses")
    shortname, temporary = site.a_shortname(), next_temporary_name(site)
    fields = {
        "wstoken": site.server.token,
        "wsfunction": DUPLICATE,
        "moodlewsrestformat": "json",
        **site.copy_params(shortname),
    }
    sandbox = site.server.sandbox
    held = sandbox.held_at("backup") if sandbox else nullcontext()
    # A real site may complete the copy before the caller disconnects.
    leaving = pytest.raises(ReadTimeout) if sandbox else suppress(ReadTimeout)
    with held, leaving:
        requests.post(site.server.endpoint, fields, timeout=(10, 0.3))
    wait_until_restored(site, temporary)
    course = finished_course(site, shortname)
    assert course["fullname"] == f"dupdash contract {shortname}"
    assert_copied(site.contents(course["id"]), site.contents(site.source))


def wait_until_restored(site: Site, temporary: str) -> None:
    """Wait until the copy was seen with its temporary name and no longer has this name.

    Looking up the requested name earlier can break the copy (measured). Returns after 60 seconds if the temporary name
    was never seen: a small copy may be complete before the first lookup.
    """
    if site.server.sandbox:
        site.server.sandbox.wait_for_copies()
        return
    seen, deadline = False, time.monotonic() + 60
    while seen or time.monotonic() < deadline:
        present = bool(site.by_field("shortname", temporary))
        if seen and not present:
            return
        seen = seen or present
        time.sleep(0.2)


def finished_course(site: Site, shortname: str) -> dict[str, Any]:
    """Return the copy once it has the requested name and its contents."""
    deadline = time.monotonic() + (10 if site.server.sandbox else 900)
    while time.monotonic() < deadline:
        for course in site.by_field("shortname", shortname):
            if course["visible"] == 1 and site.contents(course["id"]):
                return course
        time.sleep(0.02 if site.server.sandbox else 0.5)
    raise AssertionError(f"{shortname} was never finished")


def assert_copied(copy: list[dict[str, Any]], source: list[dict[str, Any]]) -> None:
    """Assert that every activity of the source is in the copy.

    The copy may show more: the account has a role in its copy, and may see kinds of activities there that it cannot see
    in the source, because its own role lacks their ``view`` capability (measured).
    """
    assert Counter(names(copy)) >= Counter(names(source))


def names(sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(module["modname"], module["name"]) for module in modules_of(sections)]
