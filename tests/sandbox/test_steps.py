"""Tests what lookups show of a copy that is held at each step of trace_sync_duplicate.json."""

from __future__ import annotations

from typing import Any

import pytest

from dupdash.sandbox.records import Course
from tests.captures import capture

from .support import SOURCE, Caller, await_until

NEW = "NEW-1"


def seen(moodle: Caller, courseid: int) -> tuple[Any, ...]:
    course = moodle.course(courseid)
    sections = moodle.call("core_course_get_contents", courseid=courseid)
    modules = sum(len(section["modules"]) for section in sections)
    return course["shortname"], course["fullname"], course["visible"], len(sections), modules


def test_copy_shows_each_step_in_order(moodle: Caller) -> None:
    sandbox = moodle.sandbox
    highest = sandbox.state.courses()[-1].id
    sandbox.gates.hold("backup", "hidden", "renamed", "content")
    copying = moodle.duplicate_meanwhile(NEW, visible=0)

    sandbox.wait_for_step("backup", NEW)
    assert moodle.made() == []

    sandbox.gates.release("backup")
    sandbox.wait_for_step("hidden", NEW)
    (row,) = moodle.made()
    assert row.id > highest
    assert seen(moodle, row.id) == (NEW, f"Copy {NEW}", 0, 0, 0)

    sandbox.gates.release("hidden")
    sandbox.wait_for_step("renamed", NEW)
    temporary = (f"{SOURCE}_1", "Introduction to Biology copy 1", 1)
    assert seen(moodle, row.id) == (*temporary, 0, 0)
    assert moodle.by_shortname(NEW) == []

    sandbox.gates.release("renamed")
    sandbox.wait_for_step("content", NEW)
    assert seen(moodle, row.id) == (*temporary, 16, 64)
    assert not copying.done()

    sandbox.gates.release("content")
    assert copying.result() == {"id": row.id, "shortname": NEW}
    assert seen(moodle, row.id) == (NEW, f"Copy {NEW}", 0, 16, 64)


def test_copy_has_activities_of_its_own(moodle: Caller) -> None:
    moodle.duplicate(NEW)
    copy, source = moodle.sandbox.course(NEW), moodle.source
    assert [(module.modname, module.name) for module in copy.modules] == [
        (module.modname, module.name) for module in source.modules
    ]
    assert not {module.id for module in copy.modules} & {module.id for module in source.modules}
    assert not {section.id for section in copy.sections} & {section.id for section in source.sections}


def test_sections_are_copied_without_activities_on_request(moodle: Caller) -> None:
    moodle.duplicate(NEW, options=[{"name": "activities", "value": 0}])
    copy = moodle.sandbox.course(NEW)
    assert len(copy.sections) == len(moodle.source.sections)
    assert copy.modules == ()


def copied(moodle: Caller, **options: int) -> Course:
    moodle.duplicate(NEW, options=[{"name": name, "value": value} for name, value in options.items()])
    return moodle.sandbox.course(NEW)


def test_everybody_is_copied_when_users_is_left_out(moodle: Caller) -> None:
    copy = copied(moodle)
    assert (copy.teachers, copy.students) == (moodle.source.teachers, moodle.source.students)


def test_without_users_nobody_is_copied(moodle: Caller) -> None:
    copy = copied(moodle, users=0, role_assignments=1)
    assert copy.enrolled == ()
    assert moodle.source.enrolment_methods == ("manual", "self")
    assert copy.enrolment_methods == ("manual",)


def test_people_are_copied_with_enrolment_methods_without_roles(moodle: Caller) -> None:
    copy = copied(moodle, users=1, role_assignments=0)
    assert (copy.teachers, copy.students) == ((), ())
    assert set(copy.without_role) == set(moodle.source.teachers + moodle.source.students)
    assert copy.enrolment_methods == moodle.source.enrolment_methods


def test_people_are_copied_with_roles_on_request(moodle: Caller) -> None:
    copy = copied(moodle, users=1, role_assignments=1)
    assert (copy.teachers, copy.students) == (moodle.source.teachers, moodle.source.students)


def test_only_manual_enrolment_is_copied_without_enrolconfig(moodle: Caller) -> None:
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset({"moodle/course:enrolconfig"})
    copy = copied(moodle, users=1, role_assignments=1)
    assert copy.students == moodle.source.students
    assert copy.enrolment_methods == ("manual",)


def test_people_are_copied_without_roles_if_the_account_may_not_assign_them(moodle: Caller) -> None:
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset({"moodle/role:assign"})
    copy = copied(moodle, users=1, role_assignments=1)
    assert (copy.teachers, copy.students) == ((), ())
    assert set(copy.without_role) == set(moodle.source.enrolled)


@pytest.mark.parametrize(("filters", "expected"), [(1, ("emoticon",)), (0, ())])
def test_filter_settings_are_copied_on_request(moodle: Caller, filters: int, expected: tuple[str, ...]) -> None:
    assert copied(moodle, filters=filters).filters_off == expected


@pytest.mark.parametrize("value", [0, 1])
def test_option_unknown_to_the_backup_makes_no_course(moodle: Caller, value: int) -> None:
    answer = moodle.duplicate(NEW, options=[{"name": "enrolments", "value": value}])
    assert answer == capture("duplicate_enrolments_option")["body"]
    assert moodle.made() == []


def test_invalid_option_value_is_refused_first(moodle: Caller) -> None:
    answer = moodle.duplicate(NEW, options=[{"name": "enrolments", "value": 2}])
    assert answer["errorcode"] == "invalidextparam"


@pytest.mark.parametrize("capability", ["moodle/backup:configure", "moodle/backup:userinfo"])
def test_no_option_may_be_set_without_the_capability(moodle: Caller, capability: str) -> None:
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset({capability})
    answer = moodle.duplicate(NEW, options=[{"name": "users", "value": 0}])
    assert answer == capture("duplicate_setting_locked")["body"]
    assert moodle.made() == []
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset()
    assert "id" in moodle.duplicate(NEW, options=[{"name": "users", "value": 0}])


@pytest.mark.parametrize("capability", ["moodle/backup:userinfo", "moodle/restore:userinfo"])
def test_people_are_not_copied_without_the_capability(moodle: Caller, capability: str) -> None:
    moodle.sandbox.moodle.switches.missing_capabilities = frozenset({capability})
    answer = moodle.duplicate(NEW, options=[{"name": "users", "value": 1}])
    assert answer["errorcode"] == "nopermissions"
    assert moodle.made() == []


def test_empty_shortname_is_accepted(moodle: Caller) -> None:
    answer = moodle.duplicate("")
    assert answer["shortname"] == ""
    assert [course.id for course in moodle.sandbox.state.by_shortname("")] == [answer["id"]]


def test_short_name_is_taken_in_any_case(moodle: Caller) -> None:
    assert moodle.duplicate(SOURCE.lower())["errorcode"] == "shortnametaken"


def test_simultaneous_copies_have_different_counters(moodle: Caller) -> None:
    with moodle.sandbox.held_at("renamed"):
        copies = [moodle.duplicate_meanwhile(f"NEW-{number}") for number in range(3)]
        await_until(lambda: all(course.visible for course in moodle.made()) and len(moodle.made()) == 3)
        assert {course.shortname for course in moodle.made()} == {f"{SOURCE}_{number}" for number in (1, 2, 3)}
    assert {copy.result()["shortname"] for copy in copies} == {"NEW-0", "NEW-1", "NEW-2"}


def test_counter_is_skipped_when_the_full_name_is_taken(moodle: Caller) -> None:
    source = moodle.source
    other = {"fullname": f"{source.fullname} copy 1", "shortname": "ELSE", "categoryid": source.categoryid}
    assert "exception" not in moodle.call("core_course_create_courses", courses=[other])
    with moodle.sandbox.held_at("renamed"):
        copying = moodle.duplicate_meanwhile(NEW)
        moodle.sandbox.wait_for_step("renamed", NEW)
        assert moodle.sandbox.course(f"{SOURCE}_2").fullname == f"{source.fullname} copy 2"
    copying.result()


def test_long_short_name_is_shortened_for_the_counter(moodle: Caller) -> None:
    (source,) = [course for course in moodle.sandbox.state.courses() if course.shortname.startswith("TEMPLATE-")]
    with moodle.sandbox.held_at("renamed"):
        copying = moodle.duplicate_meanwhile(NEW, courseid=source.id)
        moodle.sandbox.wait_for_step("renamed", NEW)
        (copy,) = moodle.made()
        assert copy.shortname == source.shortname[:98] + "_1"
        assert len(copy.shortname) == 100
        assert len(copy.fullname) <= 254
    copying.result()


def test_copy_of_a_deleted_new_course_ends_with_an_error(moodle: Caller) -> None:
    with moodle.sandbox.held_at("renamed"):
        copying = moodle.duplicate_meanwhile(NEW)
        moodle.sandbox.wait_for_step("renamed", NEW)
        (copy,) = moodle.made()
        moodle.call("core_course_delete_courses", courseids=[copy.id])
    assert copying.result()["errorcode"] == "invalidrecord"
    assert moodle.made() == []


def test_course_is_complete_only_when_its_copy_has_ended(moodle: Caller) -> None:
    with moodle.sandbox.held_at("content"):
        copying = moodle.duplicate_meanwhile(NEW)
        moodle.sandbox.wait_for_step("content", NEW)
        (copy,) = moodle.made()
        assert not copy.complete
    copying.result()
    (copy,) = moodle.made()
    assert copy.complete
    assert copy.origin == "copy"


def test_requests_are_counted_for_each_short_name(moodle: Caller) -> None:
    moodle.duplicate(NEW)
    moodle.duplicate(NEW.lower())
    moodle.duplicate("OTHER", categoryid=987_654)
    calls, key = moodle.sandbox.calls, NEW.casefold()
    assert calls.asked == {key: 2, "other": 1}
    assert calls.started == {key: 1}
    assert calls.created == {key: 1}
    assert calls.refused == {key: 1, "other": 1}


def test_stop_ends_held_copies(moodle: Caller) -> None:
    moodle.sandbox.gates.hold("renamed")
    copying = moodle.duplicate_meanwhile(NEW)
    moodle.sandbox.wait_for_step("renamed", NEW)
    moodle.sandbox.stop()
    assert moodle.sandbox.copies.all() == []
    assert copying.exception(20) is not None  # No answer was sent.
    (copy,) = moodle.made()
    assert not copy.complete
