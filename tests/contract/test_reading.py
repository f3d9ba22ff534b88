"""Tests the web service functions that only read."""

from __future__ import annotations

from typing import Any

import requests

from tests.captures import capture

from .tested_server import NO_SUCH_ID, SITE_INFO, TIMEOUT, Server, Site, error_of

BY_FIELD = "core_course_get_courses_by_field"


# The fields of each answer that dupdash needs.
SITE_KEYS = {"sitename", "siteurl", "username", "userid", "functions"}
COURSE_KEYS = {"id", "shortname", "fullname", "categoryid", "categoryname", "contacts"}
# Moodle returns these fields only to people who may enter the course.
MORE_COURSE_KEYS = {"visible", "startdate", "enddate"}
CATEGORY_KEYS = {"id", "name", "parent", "depth", "path", "sortorder", "coursecount"}
SECTION_KEYS = {"id", "name", "section", "modules"}
MODULE_KEYS = {"id", "name", "modname"}


def test_site_info_names_the_site(site: Site) -> None:
    info = site.call(SITE_INFO)
    assert set(info) >= SITE_KEYS
    assert info["siteurl"].startswith("http")


def test_course_is_found_by_id(site: Site) -> None:
    (course,) = site.by_field("id", site.source)
    (captured,) = capture("course_by_id")["body"]["courses"]
    assert course["id"] == site.source
    for key in COURSE_KEYS | MORE_COURSE_KEYS:
        assert type(course[key]) is type(captured[key]), key


def test_course_is_found_by_short_name(site: Site, copied: int) -> None:
    shortname = site.course(copied)["shortname"]
    assert [course["id"] for course in site.by_field("shortname", shortname)] == [copied]


def test_courses_are_found_by_several_ids(site: Site, copied: int) -> None:
    found = site.by_field("ids", f"{site.source},{copied}")
    assert {course["id"] for course in found} == {site.source, copied}


def test_courses_are_found_by_category(site: Site, copied: int) -> None:
    found = site.by_field("category", site.category)
    assert copied in [course["id"] for course in found]
    assert {course["categoryid"] for course in found} == {site.category}


def test_missing_id_finds_nothing(site: Site) -> None:
    assert site.by_field("id", NO_SUCH_ID) == []


def test_free_short_name_finds_nothing(site: Site) -> None:
    assert site.by_field("shortname", site.a_shortname()) == []


def test_free_idnumber_finds_nothing(site: Site) -> None:
    assert site.by_field("idnumber", site.a_shortname()) == []


def test_missing_id_among_several_breaks_the_call_or_is_left_out(site: Site) -> None:
    # As in course_ids_with_a_missing_one.json, a PHP Error has no error code.
    answer = site.call(BY_FIELD, field="ids", value=f"{site.source},{NO_SUCH_ID}")
    if "courses" in answer:
        assert [course["id"] for course in answer["courses"]] == [site.source]
    else:
        assert answer["exception"]
        assert answer["message"]


def test_courses_are_found_by_search(site: Site) -> None:
    site.needs("core_course_search_courses")
    shortname = site.a_shortname()
    made = site.duplicate(shortname)["id"]
    answer = site.call("core_course_search_courses", criterianame="search", criteriavalue=shortname, page=0, perpage=2)
    (course,) = answer["courses"]
    assert course["id"] == made
    assert set(course) >= COURSE_KEYS


def test_categories_are_listed(site: Site) -> None:
    site.needs("core_course_get_categories")
    categories = {category["id"]: category for category in site.call("core_course_get_categories")}
    category = categories[site.category]
    assert set(category) >= CATEGORY_KEYS
    ancestors = category["path"].strip("/").split("/")
    assert len(ancestors) == category["depth"]
    assert ancestors[-1] == str(site.category)
    assert str(category["parent"]) == (ancestors[-2] if len(ancestors) > 1 else "0")


def test_contents_have_sections_and_activities(site: Site) -> None:
    sections = site.contents(site.source)
    assert sections
    for section in sections:
        assert set(section) >= SECTION_KEYS
    numbers = [section["section"] for section in sections]
    assert numbers == sorted(numbers)
    for module in modules_of(sections):
        assert set(module) >= MODULE_KEYS


def test_contents_lack_files_on_request(site: Site) -> None:
    # As in contents_without_files.json, the list of files is empty.
    option = {"name": "excludecontents", "value": 1}
    short = site.call("core_course_get_contents", courseid=site.source, options=[option])
    full = site.contents(site.source)
    assert names_of(short) == names_of(full)
    assert all(module.get("contents", []) == [] for module in modules_of(short))


def test_contents_of_a_missing_course_are_refused(site: Site) -> None:
    answer = site.call("core_course_get_contents", courseid=NO_SUCH_ID)
    assert error_of(answer) in ("invalidrecord", "invalidcourseid")


def test_user_is_found_by_username(site: Site) -> None:
    site.needs("core_user_get_users_by_field")
    me = site.call(SITE_INFO)
    (user,) = site.call("core_user_get_users_by_field", field="username", values=[me["username"]])
    assert user["id"] == me["userid"]
    assert user["fullname"] == me["fullname"]


def test_user_is_found_by_email(site: Site) -> None:
    site.needs("core_user_get_users_by_field")
    me = site.call(SITE_INFO)
    (by_name,) = site.call("core_user_get_users_by_field", field="username", values=[me["username"]])
    found = site.call("core_user_get_users_by_field", field="email", values=[by_name["email"]])
    assert me["userid"] in [user["id"] for user in found]


def test_courses_of_a_user_are_listed(site: Site) -> None:
    site.needs("core_enrol_get_users_courses")
    me = site.call(SITE_INFO)
    courses = site.call("core_enrol_get_users_courses", userid=me["userid"])
    assert isinstance(courses, list)
    for course in courses:
        assert {"id", "shortname", "fullname", "visible", "category"} <= set(course)


def test_wrong_password_is_refused(server: Server) -> None:
    # login_token_bad.json
    login = {"username": "dupdash-contract-nobody", "password": "wrong", "service": "dupdash"}
    response = requests.post(server.url.rstrip("/") + "/login/token.php", login, timeout=TIMEOUT)
    assert response.status_code == 200
    answer = response.json()
    assert answer["errorcode"] == "invalidlogin"
    assert answer["error"]
    assert "token" not in answer


def modules_of(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [module for section in sections for module in section["modules"]]


def names_of(sections: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(module["modname"], module["name"]) for module in modules_of(sections)]
