"""Tests the effect of the duplication options on the copy, sent as dupdash sends them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import SYNCHRONOUS
from dupdash.moodle.options import OPTIONS, UnsupportedOptions, defaults, to_wire
from dupdash.moodle.records import Contents
from tests.captures import capture

from .tested_server import SITE_INFO, Site, error_of

SENT = [option.name for option in OPTIONS if option.behaviours[SYNCHRONOUS].sent]
WITHOUT_EFFECT_ALONE = [option.name for option in OPTIONS if "users" in option.needs and option.name in SENT]
# The role that restore gives instead of a role that the account may not assign (measured).
ASSIGNED_INSTEAD = {"editingteacher": {"editingteacher", "teacher"}}

People = dict[int, set[str]]


@dataclass(frozen=True)
class Copies:
    """Makes copies in the same way as dupdash, and reads their contents."""

    site: Site
    client: MoodleClient

    def make(self, options: Mapping[str, bool], *, visible: bool = True) -> int:
        self.site.needs("core_course_duplicate_course", "core_course_delete_courses")
        shortname = self.site.a_shortname()
        made = self.client.duplicate_course(
            source_id=self.site.source,
            fullname=f"dupdash contract {shortname}",
            shortname=shortname,
            category_id=self.site.category,
            visible=visible,
            options=defaults() | dict(options),
        )
        assert made.shortname == shortname
        return made.id

    def contents(self, course: int) -> Contents:
        return self.client.contents(course)

    def people(self, course: int) -> People:
        """Return the roles of each enrolled person."""
        self.site.needs("core_enrol_get_enrolled_users")
        users = self.site.call("core_enrol_get_enrolled_users", courseid=course)
        return {user["id"]: {role["shortname"] for role in user["roles"]} for user in users}

    def people_of_source(self) -> People:
        people = self.people(self.site.source)
        if not people:
            pytest.skip("nobody is enrolled in the source")
        return people

    def enrolment_methods(self, course: int) -> set[str]:
        return set(self.site.course(course)["enrollmentmethods"])

    def filters(self, course: int) -> dict[str, int]:
        """Return the filters that the course itself turns on (1) or off (-1)."""
        found = self.site.course(course)["filters"]
        return {one["filter"]: one["localstate"] for one in found if one["localstate"]}


@pytest.fixture
def copies(site: Site) -> Iterator[Copies]:
    with MoodleClient(site.server.url, site.server.token, duplication_timeout=900) as client:
        yield Copies(site, client)


def assert_activities_copied(copies: Copies, copy: int) -> None:
    """Assert that every activity of the source is in the copy, which may show more kinds (see ``assert_copied``)."""

    def activities(course: int) -> Counter[tuple[str, str]]:
        sections = copies.contents(course).sections
        return Counter((module.modname, module.name) for section in sections for module in section.modules)

    assert activities(copy) >= activities(copies.site.source)


def test_default_options_copy_content_without_people(copies: Copies) -> None:
    copy = copies.make({})
    source, contents = copies.contents(copies.site.source), copies.contents(copy)
    assert [section.name for section in contents.sections] == [section.name for section in source.sections]
    assert_activities_copied(copies, copy)
    assert copies.filters(copy) == copies.filters(copies.site.source)
    assert copies.site.course(copy)["visible"] == 1
    assert copies.people(copy) == {}


def test_hidden_copy_is_hidden(copies: Copies) -> None:
    copy = copies.make({}, visible=False)
    assert copies.site.course(copy)["visible"] == 0
    assert_activities_copied(copies, copy)


def test_without_activities_the_sections_are_empty(copies: Copies) -> None:
    copy = copies.make({"activities": False})
    contents = copies.contents(copy)
    assert len(contents.sections) == len(copies.contents(copies.site.source).sections)
    assert contents.activities == 0


def test_without_filters_the_settings_of_the_site_apply(copies: Copies) -> None:
    copy = copies.make({"filters": False})
    assert copies.filters(copy) == {}


def test_blocks_can_be_left_out(copies: Copies) -> None:
    copy = copies.make({"blocks": False})
    assert_activities_copied(copies, copy)


@pytest.mark.parametrize("name", WITHOUT_EFFECT_ALONE)
def test_option_that_needs_people_has_no_effect_alone(copies: Copies, name: str) -> None:
    """An option that needs people has no effect without them. The test sends it, because dupdash itself never would."""
    sent = {item["name"]: item["value"] for item in to_wire({}, SYNCHRONOUS)} | {name: 1}
    answer = copies.site.duplicate(copies.site.a_shortname(), options=pairs(sent))
    assert_activities_copied(copies, answer["id"])
    assert copies.people(answer["id"]) == {}


def test_people_are_copied_without_roles(copies: Copies) -> None:
    source = copies.people_of_source()
    copy = copies.make({"users": True})
    assert copies.people(copy) == {person: set() for person in source}


def test_people_are_copied_with_roles_that_the_account_may_assign(copies: Copies) -> None:
    """People keep roles that the account may assign. Other roles become a lower role, such as non-editing teacher."""
    source = copies.people_of_source()
    people = copies.people(copies.make({"users": True, "role_assignments": True}))
    assert set(people) == set(source)
    for person, roles in people.items():
        assert roles <= set().union(*(ASSIGNED_INSTEAD.get(role, {role}) for role in source[person]))


@pytest.mark.parametrize("name", [name for name in WITHOUT_EFFECT_ALONE if name != "role_assignments"])
def test_option_that_needs_people_is_accepted_with_them(copies: Copies, name: str) -> None:
    source = copies.people_of_source()
    assert set(copies.people(copies.make({"users": True, name: True}))) == set(source)


def test_enrolment_methods_are_copied_with_people(copies: Copies) -> None:
    """With people, all enrolment methods are copied if the account may configure enrolments; else the manual one."""
    copies.people_of_source()
    methods = copies.enrolment_methods(copies.make({"users": True}))
    assert methods in (copies.enrolment_methods(copies.site.source), {"manual"})


def test_without_people_the_copy_gets_the_default_enrolment_methods(copies: Copies) -> None:
    """Without people the copy has the enrolment methods of a new course, whatever the source has."""
    copies.site.needs("core_course_create_courses")
    shortname = copies.site.a_shortname()
    new = {"fullname": shortname, "shortname": shortname, "categoryid": copies.site.category}
    (created,) = copies.site.call("core_course_create_courses", courses=[new])
    assert copies.enrolment_methods(copies.make({})) == copies.enrolment_methods(created["id"])


def test_everybody_is_copied_when_users_is_left_out(copies: Copies) -> None:
    source = copies.people_of_source()
    answer = copies.site.duplicate(copies.site.a_shortname())
    assert set(copies.people(answer["id"])) == set(source)


def test_account_is_not_enrolled_in_the_copies_that_it_makes(copies: Copies) -> None:
    """The account gets the restorers' role in a copy, but is not enrolled."""
    me = copies.site.call(SITE_INFO)["userid"]
    if me in copies.people(copies.site.source):
        pytest.skip("the account is enrolled in the source")
    assert me not in copies.people(copies.make({}))
    assert me not in copies.people(copies.make({"users": True}))


@pytest.mark.parametrize("value", [0, 1])
def test_stock_site_refuses_the_option_enrolments(copies: Copies, value: int) -> None:
    site, shortname = copies.site, copies.site.a_shortname()
    answer = site.duplicate(shortname, options=pairs({"users": 0, "enrolments": value}))
    assert error_of(answer) == capture("duplicate_enrolments_option")["body"]["errorcode"]
    assert site.by_field("shortname", shortname) == []


def test_option_enrolments_takes_no_third_value(copies: Copies) -> None:
    site, shortname = copies.site, copies.site.a_shortname()
    assert error_of(site.duplicate(shortname, options=pairs({"enrolments": 2}))) == "invalidextparam"
    assert site.by_field("shortname", shortname) == []


def test_option_unsupported_by_a_stock_site_is_not_sent(copies: Copies) -> None:
    with pytest.raises(UnsupportedOptions, match="enrolments"):
        copies.make({"users": True, "enrolments": False})


def pairs(options: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in options.items()]
