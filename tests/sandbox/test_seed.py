"""Tests the courses, categories and people of the sandbox at a fresh start."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from dupdash.sandbox.seed import FACULTY_ID, FACULTY_TEACHES, university
from dupdash.sandbox.seed_data import TERMS

FINGERPRINT = (
    "import hashlib; from dupdash.sandbox.seed import university; "
    "print(hashlib.sha256(repr(university('university')).encode()).hexdigest())"
)


def test_university_is_the_same_in_every_process() -> None:
    here = hashlib.sha256(repr(university("university")).encode()).hexdigest()
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    there = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_another_seed_makes_another_university() -> None:
    assert university("academy").courses != university("university").courses


def test_university_has_about_200_courses_in_three_levels() -> None:
    here = university("university")
    assert 190 <= len(here.courses) <= 220
    assert {category.depth for category in here.categories} == {1, 2, 3}
    categories = {category.id: category for category in here.categories}
    for category in here.categories:
        parent = categories.get(category.parent)
        assert category.path == f"{parent.path if parent else ''}/{category.id}"
    assert {course.categoryid for course in here.courses[1:]} <= set(categories)


def test_short_names_are_unique_and_storable() -> None:
    courses = university("university").courses
    shortnames = [course.shortname.casefold() for course in courses]
    assert len(set(shortnames)) == len(shortnames)
    assert {len(course.shortname) <= 100 and len(course.fullname) <= 254 for course in courses} == {True}
    for awkward in ("AT&T", "5>3", "日本語-101"):
        assert awkward.casefold() in shortnames


def test_ids_are_unique() -> None:
    here = university("university")
    for ids in (
        [course.id for course in here.courses],
        [section.id for course in here.courses for section in course.sections],
        [module.id for course in here.courses for module in course.modules],
        [user.id for user in here.users],
        [category.id for category in here.categories],
    ):
        assert len(set(ids)) == len(ids)
    assert here.next_course_id > max(course.id for course in here.courses)
    assert here.next_module_id > max(module.id for course in here.courses for module in course.modules)


def test_most_courses_have_dozens_of_activities_and_few_have_hundreds() -> None:
    counts = sorted(len(course.modules) for course in university("university").courses)
    assert counts[-1] == 307
    assert counts[-3] <= 110
    usual = [count for count in counts if 10 <= count <= 60]
    assert len(usual) > len(counts) / 2
    assert len({module.modname for course in university("university").courses for module in course.modules}) > 10


def test_every_teacher_is_a_user() -> None:
    here = university("university")
    known = {user.id for user in here.users}
    assert {teacher for course in here.courses for teacher in course.teachers} <= known
    usernames = [user.username for user in here.users]
    assert len(set(usernames)) == len(usernames)
    assert {"admin", "faculty", "helpdesk"} <= set(usernames)


def test_faculty_member_teaches_the_listed_courses() -> None:
    taught = [course for course in university("university").courses if FACULTY_ID in course.teachers]
    assert {course.shortname for course in taught} == set(FACULTY_TEACHES)
    assert {course.visible for course in taught} == {1}


def test_next_term_has_no_courses() -> None:
    here = university("university")
    coming = {category.id for category in here.categories if category.name == TERMS[-1][1]}
    assert coming
    assert not [course for course in here.courses if course.categoryid in coming]
