"""Tests the read functions of the Moodle client with captured answers of a Moodle 4.5.6."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import responses

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import NoTrustworthyAnswer
from dupdash.moodle.records import Activity, AsyncStatus, Category, Contact, Course, User
from tests.captures import capture

from .support import ENDPOINT, TOKEN, replay, sent


def test_site_info_has_the_site_and_its_functions(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "site_info")
    info = client.site_info()
    assert (info.sitename, info.siteurl) == ("Bench 4.5", "https://moodle.example.edu")
    assert (info.release, info.version) == ("4.5.6 (Build: 20250811)", "2024100706")
    assert (info.username, info.is_site_admin) == ("admin", True)
    assert info.functions is not None
    assert "core_course_duplicate_course" in info.functions
    assert len(info.functions) == 23


def test_private_access_key_is_not_kept(http: responses.RequestsMock, client: MoodleClient) -> None:
    body = replay(http, "site_info")
    assert body["userprivateaccesskey"] not in repr(client.site_info())


def test_categories_are_read(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "categories")
    assert client.categories() == (
        Category(
            id=1,
            name="Category 1",
            parent=0,
            depth=1,
            path="/1",
            visible=True,
            sortorder=10000,
            coursecount=48,
        ),
    )


def test_course_is_found_by_its_id(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "course_with_teacher")
    assert client.course_by_id(5) == Course(
        id=5,
        shortname="GEN-XS",
        fullname="Generated XS",
        category_id=1,
        category_name="Category 1",
        visible=True,
        idnumber="",
        startdate=1795392000,
        enddate=0,
        timemodified=1795421518,
        contacts=(Contact(1003, "T One"), Contact(2, "Admin User")),
    )
    assert sent(http) == capture("course_with_teacher")["request"] | {"wstoken": TOKEN, "moodlewssettingraw": "1"}


def test_course_that_does_not_exist_is_none(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "course_by_id_none")
    assert client.course_by_id(99999) is None


def test_course_is_found_by_short_name_in_any_case(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "course_by_shortname")
    assert [course.id for course in client.courses_by_shortname("gen-s")] == [6]
    assert sent(http)["value"] == "gen-s"


def test_several_courses_may_have_one_short_name(http: responses.RequestsMock, client: MoodleClient) -> None:
    body = capture("course_by_shortname")["body"]
    twin = body["courses"][0] | {"id": 7, "shortname": "gen-s"}
    http.post(ENDPOINT, json={"courses": [*body["courses"], twin]})
    assert [course.id for course in client.courses_by_shortname("GEN-S")] == [6, 7]


def test_course_with_other_accents_in_its_short_name_is_found(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    course = capture("course_by_shortname")["body"]["courses"][0] | {"shortname": "CAFÉ-1"}
    http.post(ENDPOINT, json={"courses": [course]})
    assert len(client.courses_by_shortname("cafe-1")) == 1


def test_unknown_short_name_finds_no_course(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "course_by_shortname_none")
    assert client.courses_by_shortname("no-such") == ()


def test_names_are_read_raw_with_all_their_languages(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "course_names_raw")
    course = client.course_by_id(362)
    assert course is not None
    assert course.fullname == 'Rich & "real" {mlang en}Eng{mlang}{mlang de}Deu{mlang}'
    assert sent(http)["moodlewssettingraw"] == "1"


def test_search_results_lack_visibility_and_idnumber(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "search_courses")
    found = client.search_courses("Generated", perpage=2)
    assert [course.shortname for course in found] == ["GEN-S_1", "GEN-S"]
    assert found[0].visible is None
    assert found[0].idnumber is None
    assert found[0].category_name == "Category 1"
    request = {key: str(value) for key, value in capture("search_courses")["request"].items()}
    assert sent(http) == request | {"wstoken": TOKEN, "moodlewssettingraw": "1"}


def test_courses_with_a_capability_are_counted(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "search_courses")
    assert client.count_courses("Generated", ["mod/quiz:view"]) == 4
    assert sent(http)["requiredcapabilities[0]"] == "mod/quiz:view"
    assert sent(http)["perpage"] == "1"


def test_contents_of_a_course_are_read(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "contents_without_files")
    contents = client.contents(5)
    assert (contents.section_count, contents.activities) == (1, 2)
    assert (contents.sections[0].number, contents.sections[0].name) == (0, "General")
    assert contents.sections[0].modules[0] == Activity(924, "Small files", "resource", True)
    assert sent(http)["options[0][name]"] == "excludecontents"
    assert sent(http)["options[0][value]"] == "1"


def test_course_being_restored_has_no_sections(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json=[])
    assert client.contents(5).section_count == 0


def test_people_are_found_by_username(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "users_by_username")
    assert client.users_by_field("username", "TEACH1") == (
        User(id=1003, username="teach1", email="t1@example.com", fullname="T One"),
    )
    assert sent(http)["values[0]"] == "TEACH1"


def test_person_with_a_hidden_email_address_is_found(http: responses.RequestsMock, client: MoodleClient) -> None:
    (person,) = capture("users_by_username")["body"]
    del person["email"]
    http.post(ENDPOINT, json=[person])
    assert client.users_by_field("email", "t1@example.com")[0].email == ""


def test_courses_of_a_person_are_listed(http: responses.RequestsMock, client: MoodleClient) -> None:
    replay(http, "user_courses")
    (course,) = client.users_courses(1003)
    assert (course.id, course.category_id, course.visible, course.category_name) == (5, 1, True, "")


def test_status_of_the_proposed_service_is_read(http: responses.RequestsMock, client: MoodleClient) -> None:
    http.post(ENDPOINT, json={"phase": "2", "status": 800, "progress": 0.5})
    assert client.async_duplicate_status("abc") == AsyncStatus(phase=2, status=800, progress=0.5)
    assert sent(http)["duplicateid"] == "abc"
    assert sent(http)["wsfunction"] == "core_course_async_duplicate_course_get_status"


def test_statuses_of_many_duplications_are_keyed_by_id(http: responses.RequestsMock, client: MoodleClient) -> None:
    statuses = [{"duplicateid": "b", "phase": 1, "status": 700, "progress": 0, "ahead": 3}]
    http.post(ENDPOINT, json={"statuses": statuses, "cron": {"lastrun": 40, "now": 100}, "warnings": []})
    answer = client.async_duplicate_statuses(["a", "b"])
    assert answer.by_id == {"b": AsyncStatus(phase=1, status=700, progress=0, ahead=3)}
    assert answer.cron_idle_for == 60
    assert (sent(http)["duplicateids[0]"], sent(http)["duplicateids[1]"]) == ("a", "b")
    assert sent(http)["wsfunction"] == "core_course_async_duplicate_course_get_statuses"


@pytest.mark.parametrize(
    ("cron", "idle"),
    [({}, None), ({"cron": {"lastrun": 4}}, None), ({"cron": {"lastrun": 0, "now": 9}}, math.inf)],
    ids=["missing", "odd", "never ran"],
)
def test_missing_or_odd_cron_times_hide_no_status(
    http: responses.RequestsMock, client: MoodleClient, cron: dict[str, Any], idle: float | None
) -> None:
    statuses = [{"duplicateid": "a", "phase": 1, "status": 700, "progress": 0, "ahead": 3}]
    http.post(ENDPOINT, json={"statuses": statuses, **cron, "warnings": []})
    answer = client.async_duplicate_statuses(["a"])
    assert answer.by_id == {"a": AsyncStatus(phase=1, status=700, progress=0, ahead=3)}
    assert answer.cron_idle_for == idle


def test_numbers_as_text_are_read_and_unstorable_characters_replaced(
    http: responses.RequestsMock, client: MoodleClient
) -> None:
    course = {"id": "5", "shortname": "A\x00", "fullname": "\ud800B", "categoryid": "1", "visible": "0"}
    http.post(ENDPOINT, body=json.dumps({"courses": [course]}))
    found = client.course_by_id(5)
    assert found is not None
    assert (found.id, found.category_id, found.visible) == (5, 1, False)
    assert (found.shortname, found.fullname) == ("A\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}B")


A_COURSE = {"id": 5, "shortname": "A", "fullname": "B", "categoryid": 1}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        5,
        {},
        {"courses": None},
        {"courses": {"0": A_COURSE}},
        {"courses": [None]},
        {"courses": [A_COURSE | {"id": True}]},
        {"courses": [A_COURSE | {"id": 5.5}]},
        {"courses": [A_COURSE | {"id": 0}]},
        {"courses": [A_COURSE | {"id": 2**63}]},
        {"courses": [A_COURSE | {"id": "5x"}]},
        {"courses": [A_COURSE | {"shortname": 5}]},
        {"courses": [A_COURSE | {"visible": 2}]},
        {"courses": [A_COURSE | {"contacts": [{"id": 1}]}]},
        {"courses": [{"id": 5, "shortname": "A", "fullname": "B"}]},
        {"courses": [A_COURSE | {"id": 6}]},
    ],
)
def test_answer_of_another_shape_or_course_is_not_trusted(
    http: responses.RequestsMock, client: MoodleClient, value: object
) -> None:
    http.post(ENDPOINT, json=value)
    with pytest.raises(NoTrustworthyAnswer) as raised:
        client.course_by_id(5)
    assert raised.value.function == "core_course_get_courses_by_field"


@pytest.mark.parametrize(
    ("ask", "capture_name"),
    [
        (lambda client: client.course_by_id(5), "course_by_id"),
        (lambda client: client.users_by_field("username", "teach2"), "users_by_username"),
    ],
)
def test_answer_for_another_course_or_person_is_not_trusted(
    http: responses.RequestsMock,
    client: MoodleClient,
    ask: Callable[[MoodleClient], Any],
    capture_name: str,
) -> None:
    replay(http, capture_name)
    with pytest.raises(NoTrustworthyAnswer, match="not asked for"):
        ask(client)
