"""Tests the check of rows before a plan starts: rows are compared with Moodle, with jobs and with each other."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.states import State
from dupdash.rollover import tasks
from dupdash.rollover.models import Level, PlanState
from tests.duplication.support import Moodle, a_job
from tests.rollover.files import HEADINGS
from tests.rollover.support import BIO101, CATEGORY, a_plan, problems, row, rows
from tests.rollover.test_csv_files import LIST

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _moodle(moodle: Moodle) -> None:
    MoodleHealth.current()
    MoodleHealth.objects.update(may_update=True)


PATH = "Faculty of Science / School of Biology / 2027 Semester 1"


def one(cells: str, owner: User | None = None, headings: str = HEADINGS, **columns: object):
    return a_plan(f"{headings}\n{cells}\n", owner, **columns)


def test_row_without_faults_becomes_a_request(administrator: User) -> None:
    plan = a_plan(LIST, administrator)
    assert plan.state == PlanState.CHECKED
    checked = row(plan)
    assert checked.level == Level.OK
    assert checked.request["source_id"] == BIO101
    assert checked.request["category_id"] == CATEGORY
    assert checked.found["source_fullname"] == "Introduction to Biology"


@pytest.mark.parametrize("source", ["7", "BIO101-2026S1", "bio101-2026s1"])
def test_source_is_found_by_id_and_short_name(source: str, administrator: User) -> None:
    assert row(one(f"{source},Biology,B-1,8", administrator)).request["source_id"] == BIO101


def test_source_is_found_by_idnumber(administrator: User, moodle: Moodle) -> None:
    course = moodle.add("WITH-NUMBER", idnumber="00123")
    assert row(one("00123,Biology,B-1,8", administrator)).request["source_id"] == course.id


def test_number_that_is_no_id_is_looked_up_as_a_short_name(administrator: User, moodle: Moodle) -> None:
    course = moodle.add("99999")
    assert row(one("99999,Biology,B-1,8", administrator)).request["source_id"] == course.id


def test_template_course_of_moodles_own_file_is_a_short_name(administrator: User) -> None:
    headings = "templatecourse,fullname,shortname,category"
    assert row(one("BIO101-2026S1,Biology,B-1,8", administrator, headings)).level == Level.OK
    assert "no course “7”" in problems(one("7,Biology,B-1,8", administrator, headings))


def test_unknown_source_is_an_error_and_does_not_break_the_others(administrator: User) -> None:
    lines = "".join(f"{source},Biology,B-{n},8\n" for n, source in enumerate([7, 4711, 8, "NOPE", 4712]))
    plan = a_plan(f"{HEADINGS}\n{lines}", administrator)
    assert [checked.level for checked in plan.rows.all()] == ["ok", "error", "ok", "error", "error"]
    assert problems(plan, 3) == "Moodle has no course “4711”."


@pytest.mark.parametrize("category", ["8", PATH, "faculty of science/School of biology /2027  semester 1"])
def test_category_is_found_by_id_and_path(category: str, administrator: User) -> None:
    plan = one(f"7,Biology,B-1,{category}", administrator)
    assert row(plan).request["category_id"] == CATEGORY, problems(plan)


def test_category_is_found_by_idnumber(administrator: User, moodle: Moodle) -> None:
    moodle.state.categories[CATEGORY] = replace(moodle.state.categories[CATEGORY], idnumber="SCI-2027")
    assert row(one("7,Biology,B-1,sci-2027", administrator)).request["category_id"] == CATEGORY


def test_unknown_category_is_an_error_that_proposes_one_of_its_name(administrator: User) -> None:
    said = problems(one("7,Biology,B-1,2027 Semester 1", administrator))
    assert "no category “2027 Semester 1”" in said
    assert "There is “" in said


def test_category_columns_that_differ_are_an_error(administrator: User) -> None:
    headings = "source,fullname,shortname,category,category_path"
    said = problems(one(f"7,Biology,B-1,2,{PATH}", administrator, headings))
    assert "name different categories" in said


def test_dates_and_id_number_of_a_row_become_those_of_the_request(administrator: User) -> None:
    headings = f"{HEADINGS},startdate,enddate,idnumber"
    request = row(one("7,Biology,B-1,8,2027-02-01,30 June 2027,BIO-27", administrator, headings)).request
    assert (request["startdate"], request["enddate"], request["idnumber"]) == ("2027-02-01", "2027-06-30", "BIO-27")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("01/02/2027,,", "can be read as 2 January 2027 or 1 February 2027"),
        ("2027-02-01 08:00,,", "has a time of day"),
        ("2027-02-01,2026-02-01,", "before the start date"),
        (f",,{'x' * 101}", "at most 100 characters"),
    ],
)
def test_date_or_id_number_that_is_unclear_is_an_error(cells: str, said: str, administrator: User) -> None:
    headings = f"{HEADINGS},startdate,enddate,idnumber"
    assert said in problems(one(f"7,Biology,B-1,8,{cells}", administrator, headings))


def test_id_number_that_a_course_has_is_an_error(administrator: User, moodle: Moodle) -> None:
    moodle.add("WITH-NUMBER", idnumber="00123")
    assert "already has this ID number" in problems(one("7,Biology,B-1,8,00123", administrator, f"{HEADINGS},idnumber"))


def test_id_number_of_an_unfinished_copy_is_an_error_and_not_looked_up(administrator: User, moodle: Moodle) -> None:
    a_job(State.RUNNING, "OTHER", idnumber="BIO-27")
    assert "Another unfinished copy" in problems(one("7,Biology,B-1,8,bio-27", administrator, f"{HEADINGS},idnumber"))
    # One lookup for the source, and one for the short name.
    assert moodle.called["core_course_get_courses_by_field"] == 2


def test_two_rows_with_one_id_number_are_errors(administrator: User) -> None:
    plan = a_plan(f"{HEADINGS},idnumber\n7,Biology,B-1,8,N\n7,Biology,B-2,8,n\n7,Biology,B-3,8,\n", administrator)
    assert [(checked.conflict_row, checked.conflict_column) for checked in plan.rows.all()] == [
        (3, "idnumber"),
        (2, "idnumber"),
        (None, ""),
    ]
    assert [checked.level for checked in plan.rows.all()] == ["error", "error", "ok"]


def test_site_that_cannot_set_dates_is_an_error(administrator: User) -> None:
    MoodleHealth.objects.update(may_update=False)
    said = problems(one("7,Biology,B-1,8,2027-02-01", administrator, f"{HEADINGS},startdate"))
    assert "cannot set the dates" in said


def test_hidden_category_is_a_warning(administrator: User, moodle: Moodle) -> None:
    moodle.state.categories[CATEGORY] = replace(moodle.state.categories[CATEGORY], visible=0)
    plan = one("7,Biology,B-1,8", administrator)
    assert row(plan).level == Level.WARNING
    assert "hidden" in row(plan).warnings[0][1]


def test_short_name_that_moodle_has_is_an_error(administrator: User) -> None:
    assert "already has this short name" in problems(one("7,Biology,bio101-2026S1,8", administrator))


def test_short_name_reserved_by_a_job_is_an_error_with_the_job(administrator: User) -> None:
    job = a_job(State.QUEUED, "B-1")
    plan = one("7,Biology,b-1,8", administrator)
    assert "Another unfinished copy" in problems(plan)
    assert row(plan).problems[0][2] == job.pk


def test_course_that_is_being_made_is_not_looked_up(administrator: User, moodle: Moodle) -> None:
    a_job(State.RUNNING, "B-1")
    one("7,Biology,b-1,8", administrator)
    # One lookup for the source, and none for the short name.
    assert moodle.called["core_course_get_courses_by_field"] == 1


def test_two_rows_with_one_short_name_are_errors_until_one_is_excluded(administrator: User) -> None:
    plan = a_plan(f"{HEADINGS}\n7,Biology,B-1,8\n7,Biology,b-1,8\n7,Biology,B-2,8\n", administrator)
    assert [checked.conflict_row for checked in plan.rows.all()] == [3, 2, None]
    assert [checked.level for checked in plan.rows.all()] == ["error", "error", "ok"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("7,,B-1,8", "Enter a full name."),
        ("7,Biology,,8", "Enter a short name."),
        (f"7,Biology,{'x' * 101},8", "at most 100 characters"),
        ("7,<b>Biology</b>,B-1,8", "cannot contain HTML tags"),
        (",Biology,B-1,8", "Enter the course to copy"),
        ("7,Biology,B-1,", "Enter the category"),
        ("1,Biology,B-1,8", "front page"),
    ],
)
def test_missing_or_invalid_cell_is_an_error(cells: str, said: str, administrator: User) -> None:
    assert said in problems(one(cells, administrator))


def test_options_of_a_row_replace_those_of_the_plan(administrator: User) -> None:
    plan = one("7,Biology,B-1,8,yes,0,hidden", administrator, f"{HEADINGS},users,blocks,visible")
    assert "neither yes nor no" in problems(plan)
    plan = one("7,Biology,B-1,8,yes,0,no", administrator, f"{HEADINGS},users,blocks,visible")
    request = row(plan).request
    assert (request["options"]["users"], request["options"]["blocks"]) == (True, False)
    assert (request["options"]["activities"], request["visible"]) == (True, False)


def test_unsupported_options_of_a_row_are_an_error(administrator: User) -> None:
    said = problems(one("7,Biology,B-1,8,1,0", administrator, f"{HEADINGS},users,enrolments"))
    assert "Enrolment methods" in said


def test_start_that_has_passed_is_an_error(administrator: User) -> None:
    assert "has passed" in problems(one("7,Biology,B-1,8,2020-01-01", administrator, f"{HEADINGS},start"))


def test_row_of_moodle_that_deletes_a_course_is_an_error(administrator: User) -> None:
    assert "asks Moodle to delete" in problems(one("7,Biology,B-1,8,1", administrator, f"{HEADINGS},delete"))
    assert row(one("7,Biology,B-2,8,0", administrator, f"{HEADINGS},delete")).level == Level.OK


def test_faculty_may_only_copy_what_they_teach(faculty: User) -> None:
    assert row(one("7,Biology,B-1,8", faculty)).level == Level.OK
    assert "No course that you teach" in problems(one("8,Biology,B-2,8", faculty))


def test_copying_people_without_permission_is_an_error(faculty: User) -> None:
    said = problems(one("7,Biology,B-1,8,1,1", faculty, f"{HEADINGS},users,enrolments"))
    assert "Only course administrators may copy people" in said


def test_unreachable_moodle_leaves_rows_unchecked_with_a_message(administrator: User, moodle: Moodle) -> None:
    plan = a_plan(LIST, administrator, checked=False)
    moodle.stop()
    tasks.continue_work()
    plan.refresh_from_db()
    assert plan.state == PlanState.CHECKED
    assert "dupdash could not read from Moodle" in plan.failure
    assert row(plan).level == Level.UNKNOWN


def test_check_continues_after_the_time_limit(
    administrator: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    plan = a_plan(rows(3), administrator, checked=False)
    monkeypatch.setattr(tasks, "RUN_LONGEST", -1.0)
    tasks.continue_work()
    plan.refresh_from_db()
    assert plan.state == PlanState.CHECKING
    monkeypatch.setattr(tasks, "RUN_LONGEST", 10.0)
    tasks.continue_work()
    plan.refresh_from_db()
    assert plan.state == PlanState.CHECKED


def test_categories_are_read_once_and_sources_in_bulk(administrator: User, moodle: Moodle) -> None:
    sources = [course.id for course in moodle.state.courses()][1:51]
    lines = "".join(f"{source},Biology,B-{source},8\n" for source in sources)
    a_plan(f"{HEADINGS}\n{lines}", administrator)
    assert moodle.called["core_course_get_categories"] == 1
    # One request for all sources, and one for each short name.
    assert moodle.called["core_course_get_courses_by_field"] == 51
