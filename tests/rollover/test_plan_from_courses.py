"""Tests plans made from courses in Moodle: chosen from a category or a search, with rules for names and dates."""

from datetime import date

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dupdash.duplication.course_dates import moment_on
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.rollover import course_lists, tasks
from dupdash.rollover.models import Plan
from dupdash.rollover.renaming import InvalidRule, Renaming, Rule
from dupdash.web.models import OptionPreset
from tests.duplication.support import Moodle, a_job
from tests.rollover.support import CATEGORY
from tests.web.support import a_running_job, text

pytestmark = pytest.mark.django_db

# Categories of the sandbox: “2026 Semester 1” of the School of Biology, and the next category.
LAST_TERM, AFTER = 6, 7
RULES = {
    "rule": "year",
    "shortname_template": "{shortname}",
    "fullname_template": "{fullname}",
    "target": "one",
    "target_category": str(CATEGORY),
}


@pytest.fixture(autouse=True)
def _moodle(moodle: Moodle) -> None: ...


def url(query: str = "") -> str:
    return reverse("rollover:from_moodle") + query


def made(client: Client, courses: list[int], **rules: str) -> Plan:
    """Create a plan from these courses with the form, and return the plan."""
    answer = client.post(url(), {"course": [str(id) for id in courses], **RULES, **rules})
    assert answer.status_code == 303, text(answer)
    tasks.continue_work()
    return Plan.objects.latest("created_at")


def biology(moodle: Moodle) -> list[int]:
    return [course.id for course in moodle.state.in_category(LAST_TERM)]


def test_courses_of_a_category_with_all_below_it_are_listed(as_administrator: Client, moodle: Moodle) -> None:
    page = text(as_administrator.get(url("?category=3")))
    assert "BIO101-2026S1" in page
    assert "Faculty of Science / School of Biology / 2026 Semester 1" in page


def test_courses_are_found_by_a_search(as_administrator: Client) -> None:
    page = text(as_administrator.get(url("?q=Introduction to Biology")))
    assert "BIO101-2026S1" in page


def test_page_says_that_a_search_finds_more_courses_than_it_lists(
    as_administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "dupdash read the first 3 courses that Moodle finds; there may be more."
    assert said not in text(as_administrator.get(url("?q=BIO")))
    monkeypatch.setattr(course_lists, "FOUND_MOST", 3)
    page = text(as_administrator.get(url("?q=BIO")))
    assert said in page
    assert page.count('name="course"') == 3


def test_chosen_courses_become_rows_with_new_names(as_administrator: Client, moodle: Moodle) -> None:
    plan = made(as_administrator, [7])
    row = plan.rows.get()
    assert row.values["shortname"] == "BIO101-2027S1"
    assert row.values["category"] == str(CATEGORY)
    assert row.level == "ok", row.problems


def test_preset_gives_the_plan_its_values(as_administrator: Client, moodle: Moodle) -> None:
    preset = OptionPreset.objects.create(name="Methods", options={**options.defaults(), "enrolments": options.ALWAYS})
    assert made(as_administrator, biology(moodle)[:1], preset=str(preset.pk)).options == preset.options


def test_category_after_that_of_the_source_is_found(as_administrator: Client, moodle: Moodle) -> None:
    plan = made(as_administrator, biology(moodle)[:1], target="next")
    assert plan.rows.get().values["category"] == str(AFTER)


def test_category_is_found_by_a_changed_path(as_administrator: Client, moodle: Moodle) -> None:
    rules = {"target": "name", "category_find": "2026 Semester 1", "category_replace": "2027 Semester 1"}
    assert made(as_administrator, biology(moodle)[:1], **rules).rows.get().values["category"] == str(CATEGORY)
    rules["category_replace"] = "2099 Semester 1"
    row = made(as_administrator, biology(moodle)[:1], **rules).rows.get()
    assert "no category “Faculty of Science / School of Biology / 2099 Semester 1”" in row.problems[0][1]


def test_start_date_moves_by_whole_weeks(as_administrator: Client, moodle: Moodle) -> None:
    source = moodle.add("WITH-DATES", categoryid=LAST_TERM, startdate=moment_on(date(2026, 8, 31), None))
    without = moodle.add("WITHOUT-DATES", categoryid=LAST_TERM, startdate=0)
    plan = made(as_administrator, [source.id, without.id], dates="weeks", weeks="52")
    assert [row.values["startdate"] for row in plan.rows.all()] == ["2027-08-30", ""]
    assert date(2026, 8, 31).weekday() == date(2027, 8, 30).weekday()


def test_all_copies_start_on_one_day(as_administrator: Client, moodle: Moodle) -> None:
    plan = made(as_administrator, biology(moodle)[:2], dates="one", startdate="2027-02-01")
    assert [row.values["startdate"] for row in plan.rows.all()] == ["2027-02-01"] * 2


def test_id_numbers_follow_the_rule_for_names(as_administrator: Client, moodle: Moodle) -> None:
    source = moodle.add("BIO-2026", categoryid=LAST_TERM, idnumber="N-2026")
    without = moodle.add("CHE-2026", categoryid=LAST_TERM)
    rules = {"idnumber_template": "{idnumber}/{term}", "term": "S1"}
    plan = made(as_administrator, [source.id, without.id], **rules)
    assert [row.values["idnumber"] for row in plan.rows.all()] == ["N-2027/S1", ""]


def test_course_copied_to_the_term_is_left_out_by_default(as_administrator: Client, administrator: User) -> None:
    copy = a_job(State.SUCCEEDED, "BIO101-2027S1", source_id=7, course_id=5, proof="answered")
    plan = made(as_administrator, [7], rule="replace", find="2026S1", replace="2027S1-B")
    row = plan.rows.get()
    assert not row.included
    assert row.warnings[0][2] == copy.pk
    page = text(as_administrator.get(reverse("rollover:plan", args=[plan.pk]) + "?view=excluded"))
    assert f'href="/jobs/{copy.pk}/"' in page
    as_administrator.post(reverse("rollover:include", args=[plan.pk]), {"row": "1", "included": "1"})
    as_administrator.post(reverse("rollover:check", args=[plan.pk]))
    tasks.continue_work()
    assert plan.rows.get().included


def test_category_with_a_course_that_is_being_created_is_not_listed(as_administrator: Client, moodle: Moodle) -> None:
    a_running_job(category_id=LAST_TERM)
    page = text(as_administrator.get(url(f"?category={LAST_TERM}")))
    assert "Moodle is making a copy in this category or a subcategory." in page
    assert moodle.called["core_course_get_courses_by_field"] == 0


def test_empty_selection_is_reported(as_administrator: Client) -> None:
    answer = as_administrator.post(url(f"?category={LAST_TERM}"), RULES)
    assert answer.status_code == 422
    assert "Select the courses to copy." in text(answer)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"rule": "replace"}, "Enter what is to be replaced."),
        ({"rule": "regex", "find": "("}, "This regular expression cannot be used"),
        ({"rule": "regex", "find": "a", "replace": r"\7"}, "names a group"),
        ({"shortname_template": "{short}"}, "{short} is not a placeholder."),
        ({"shortname_template": "{shortname}-{term}"}, "Enter the term"),
        ({"target_category": ""}, "Choose a category for the copies."),
        ({"target": "name"}, "Enter the part of the path"),
        ({"dates": "one"}, "Enter the start date"),
        ({"dates": "weeks", "weeks": "0"}, "by how many weeks"),
        ({"idnumber_template": "{number}"}, "{number} is not a placeholder."),
    ],
)
def test_inapplicable_rule_is_reported(as_administrator: Client, rules: dict[str, str], said: str) -> None:
    answer = as_administrator.post(url(f"?category={LAST_TERM}"), {"course": "7", **RULES, **rules})
    assert answer.status_code == 422
    assert said in text(answer)


def test_unreachable_moodle_is_reported(as_administrator: Client, moodle: Moodle) -> None:
    moodle.stop()
    answer = as_administrator.get(url())
    assert answer.status_code == 503
    assert "dupdash could not read from Moodle." in text(answer)


@pytest.mark.parametrize(
    ("renaming", "names"),
    [
        (Renaming(), ("Biology 2027", "BIO-2027S1")),
        (Renaming(Rule.KEEP), ("Biology 2026", "BIO-2026S1")),
        (Renaming(Rule.REPLACE, "2026", "2030"), ("Biology 2030", "BIO-2030S1")),
        (Renaming(Rule.REGEX, r"(\d{4})S(\d)", r"S\2-\1"), ("Biology 2026", "BIO-S1-2026")),
        (
            Renaming(
                Rule.KEEP,
                term="2027S1",
                shortname_template="{shortname}/{term}",
                fullname_template="{fullname} ({term})",
            ),
            ("Biology 2026 (2027S1)", "BIO-2026S1/2027S1"),
        ),
    ],
)
def test_names_follow_the_rule(renaming: Renaming, names: tuple[str, str]) -> None:
    assert renaming.names("Biology 2026", "BIO-2026S1") == names


def test_expensive_regular_expression_is_applied_at_once() -> None:
    renaming = Renaming(Rule.REGEX, r"(a+)+b", "x")
    assert renaming.names("a" * 5000, "a" * 50)[1] == "a" * 50


def test_back_references_are_refused() -> None:
    with pytest.raises(InvalidRule, match="This regular expression cannot be used"):
        Renaming(Rule.REGEX, r"(a)\1", "x").check()
