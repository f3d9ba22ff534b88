"""Tests requests that Moodle refuses: the error code is right, and no course is left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.captures import capture

from .tested_server import NO_SUCH_ID, SITE_INFO, Site, error_of

# The name of the capture, and what differs from a valid request.
REFUSED: dict[str, dict[str, Any]] = {
    "duplicate_bad_option_value": {"options": [{"name": "users", "value": 7}]},
    "duplicate_unknown_option": {"options": [{"name": "bogus", "value": 1}]},
    "duplicate_invalid_category": {"categoryid": NO_SUCH_ID},
    "duplicate_invalid_course": {"courseid": NO_SUCH_ID},
    "duplicate_missing_param": {"shortname": None},
    "duplicate_name_with_tags": {"fullname": "dupdash contract <b>bold</b>"},
    "duplicate_name_too_long": {"fullname": "dupdash contract ".ljust(255, "x")},
}


@pytest.mark.parametrize("name", REFUSED)
def test_impossible_copy_is_refused(site: Site, name: str) -> None:
    shortname = site.a_shortname()
    answer = site.duplicate(shortname, **REFUSED[name])
    captured = capture(name)["body"]
    if "id" in answer and name == "duplicate_name_too_long":
        pytest.skip("this version takes longer names")
    assert error_of(answer) == captured["errorcode"]
    assert site.by_field("shortname", shortname) == []


def test_taken_short_name_is_refused(site: Site, copied: int) -> None:
    taken = site.course(copied)["shortname"]
    answer = site.duplicate(taken)
    assert error_of(answer) == capture("duplicate_shortname_taken")["body"]["errorcode"]
    assert [course["id"] for course in site.by_field("shortname", taken)] == [copied]


def test_short_name_of_more_than_255_characters_is_refused(site: Site) -> None:
    # The width of the column is the limit (measured).
    shortname = site.a_shortname("x" * 230)
    assert len(shortname) > 255
    assert error_of(site.duplicate(shortname, fullname="dupdash contract")) == "dmlwriteexception"
    assert site.by_field("shortname", shortname) == []


def test_front_page_is_refused_as_source(site: Site) -> None:
    answer = site.duplicate(site.a_shortname(), courseid=1)
    assert error_of(answer) == capture("duplicate_site_course")["body"]["errorcode"]


def test_function_outside_the_service_is_refused(site: Site) -> None:
    captured = capture("function_not_in_service")
    function = captured["request"]["wsfunction"]
    if function in [offered["name"] for offered in site.call(SITE_INFO)["functions"]]:
        pytest.skip(f"the service has {function}")
    answer = site.call(function)
    assert error_of(answer) == captured["body"]["errorcode"]


def test_course_is_deleted(site: Site) -> None:
    made = site.duplicate(site.a_shortname())["id"]
    site.delete([made])
    assert site.by_field("id", made) == []


def test_deletion_of_a_missing_course_gives_a_warning(site: Site) -> None:
    site.needs("core_course_delete_courses")
    answer = site.call("core_course_delete_courses", courseids=[NO_SUCH_ID])
    (warning,) = answer["warnings"]
    (captured,) = capture("delete_unknown_course")["body"]["warnings"]
    assert warning["warningcode"] == captured["warningcode"]
    assert warning["itemid"] == NO_SUCH_ID
