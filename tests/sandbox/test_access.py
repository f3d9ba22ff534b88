"""Tests the permissions of the accounts and tokens of the sandbox."""

from __future__ import annotations

import pytest

from dupdash.sandbox.accounts import LIMITED_TOKEN, MANAGER_TOKEN, token_of
from tests.captures import capture

from .support import BY_FIELD, SITE_INFO, SOURCE, Caller


def token(moodle: Caller, username: str) -> str:
    user = moodle.sandbox.state.user_named(username)
    assert user is not None
    return token_of(user)


@pytest.fixture
def teacher(moodle: Caller) -> Caller:
    return moodle.using(token(moodle, "faculty"))


@pytest.fixture
def stranger(moodle: Caller) -> Caller:
    return moodle.using(token(moodle, "helpdesk"))


def test_teacher_may_not_create_courses(teacher: Caller) -> None:
    assert teacher.duplicate("NEW-1") == capture("duplicate_no_capability")["body"]


def test_unenrolled_user_may_not_enter_a_course(stranger: Caller) -> None:
    assert stranger.duplicate("NEW-1") == capture("duplicate_no_permission")["body"]
    told = stranger.call("core_course_get_contents", courseid=stranger.source.id)
    assert told["errorcode"] == "requireloginerror"


def test_teacher_sees_all_of_a_course(teacher: Caller) -> None:
    (captured,) = capture("course_as_plain_teacher")["body"]["courses"]
    assert list(teacher.course(teacher.source.id)) == list(captured)


def test_unenrolled_user_sees_public_courses(stranger: Caller) -> None:
    captured = capture("search_courses")["body"]["courses"][0]
    assert list(stranger.course(stranger.source.id)) == list(captured)


def test_unenrolled_user_does_not_see_a_hidden_course(moodle: Caller, stranger: Caller) -> None:
    moodle.sandbox.state.change(moodle.source.id, visible=0)
    assert stranger.by_shortname(SOURCE) == []
    search = {"criterianame": "search", "criteriavalue": SOURCE}
    assert stranger.call("core_course_search_courses", **search)["total"] == 0
    assert moodle.call("core_course_search_courses", **search)["total"] == 1


def test_teacher_has_courses_and_is_their_contact(teacher: Caller) -> None:
    courses = teacher.call("core_enrol_get_users_courses", userid=4)
    assert SOURCE in [course["shortname"] for course in courses]
    contacts = teacher.course(teacher.source.id)["contacts"]
    assert {"id": 4, "fullname": "Fatima Castellan"} in contacts


def test_ordinary_account_may_not_delete_courses(teacher: Caller) -> None:
    told = teacher.call("core_course_delete_courses", courseids=[teacher.source.id])
    assert [warning["warningcode"] for warning in told["warnings"]] == ["cannotdeletecourse"]
    assert teacher.source.shortname == SOURCE


def test_limited_service_has_no_delete_function(moodle: Caller) -> None:
    limited = moodle.using(LIMITED_TOKEN)
    offered = [function["name"] for function in limited.call(SITE_INFO)["functions"]]
    assert "core_course_duplicate_course" in offered
    assert "core_course_delete_courses" not in offered
    told = limited.call("core_course_delete_courses", courseids=[moodle.source.id])
    assert told == capture("function_not_in_service")["body"]


@pytest.mark.parametrize(("kind", "capability"), [("quiz", "mod/quiz:view"), ("wiki", "mod/wiki:viewpage")])
def test_kind_of_activity_without_capability_is_seen_in_own_copies_only(
    moodle: Caller, kind: str, capability: str
) -> None:
    copy = moodle.call(
        "core_course_duplicate_course",
        courseid=moodle.source.id,
        fullname="Copy",
        shortname="KINDS-1",
        categoryid=moodle.source.categoryid,
        options=[{"name": "users", "value": 0}],
    )["id"]
    with_it = kinds(moodle, moodle.source.id)
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset({capability})
    assert kind in with_it
    assert kinds(moodle, moodle.source.id) == with_it - {kind}
    assert kind in kinds(moodle, copy)


def kinds(moodle: Caller, courseid: int) -> set[str]:
    contents = moodle.call("core_course_get_contents", courseid=courseid)
    return {module["modname"] for section in contents for module in section["modules"]}


def test_maintenance_locks_out_all_but_administrators(moodle: Caller) -> None:
    moodle.control(maintenance=True)
    manager = moodle.using(MANAGER_TOKEN)
    assert manager.call(BY_FIELD, field="id", value="5") == capture("site_in_maintenance")["body"]
    assert moodle.by_shortname(SOURCE)
    moodle.control(maintenance=False)
    assert manager.by_shortname(SOURCE)


def test_manager_may_copy_and_delete(moodle: Caller) -> None:
    manager = moodle.using(MANAGER_TOKEN)
    made = manager.duplicate("NEW-1")["id"]
    assert manager.call("core_course_delete_courses", courseids=[made]) == {"warnings": []}


def test_disabled_web_services_answer_403(moodle: Caller) -> None:
    moodle.control(webservices=False)
    response, captured = moodle.post(SITE_INFO, {}), capture("web_services_off")
    assert response.status_code == captured["status"]
    assert response.headers["Content-Type"] == captured["content_type"]
    assert response.text == captured["body"]


def test_revoked_token_is_invalid(moodle: Caller) -> None:
    moodle.control(tokens_revoked=True)
    assert moodle.call(SITE_INFO)["errorcode"] == "invalidtoken"


def test_withdrawn_function_is_neither_listed_nor_served(moodle: Caller) -> None:
    moodle.sandbox.moodle.switches.withdrawn = frozenset({"core_course_get_contents"})
    assert "core_course_get_contents" not in [one["name"] for one in moodle.call(SITE_INFO)["functions"]]
    assert moodle.call("core_course_get_contents", courseid=7)["errorcode"] == "accessexception"


def test_every_listed_function_is_served(moodle: Caller) -> None:
    for function in moodle.call(SITE_INFO)["functions"]:
        told = moodle.call(function["name"])
        assert not isinstance(told, dict) or told.get("errorcode") not in ("accessexception", "invalidrecord")
