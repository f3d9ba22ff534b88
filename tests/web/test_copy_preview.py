"""Tests the preview of a copy and the names that it suggests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, BIOLOGY_2027, a_job, a_running_job, form, text

pytestmark = pytest.mark.django_db

URL = "/jobs/new/preview/"
FORM = "/jobs/new/"
DEFAULTS = {"source": BIO101, "activities": "1", "blocks": "1", "filters": "1"}


def _shown(client: Client, **asked: Any) -> str:
    return text(client.get(URL, {name: value for name, value in (DEFAULTS | asked).items() if value is not None}))


def test_preview_shows_what_is_included(as_administrator: Client, sandbox: Sandbox) -> None:
    page = _shown(as_administrator)
    for words in (
        "16 sections with 64 activities",
        "Quizzes",
        "Week 1: The chemistry of life",
        "The course’s settings in Moodle, 16 sections and 64 activities and resources.",
        "no people, submissions, grades or posts",
        "The source’s enrolment methods: the copy gets the site’s default ones.",
    ):
        assert words in page
    assert "The blocks beside the content." not in page


def test_source_whose_contents_cannot_be_listed_is_previewed(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.faults.set("invalid_response", function="core_course_get_contents")
    page = _shown(as_administrator)
    assert "Moodle cannot list the contents of this course. It can be copied nevertheless." in page
    assert "The course’s settings in Moodle, all sections and activities and resources." in page


def test_preview_shows_what_is_not_included(as_administrator: Client, sandbox: Sandbox) -> None:
    page = _shown(as_administrator, activities=None, blocks=None)
    assert "All activities and resources: the sections will be empty." in page
    assert "The blocks beside the content." in page
    page = _shown(as_administrator, users="1", enrolments="1", logs="1")
    assert "The people enrolled in the source and what they did there." in page
    assert "The roles in the course: everybody is enrolled without a role." in page
    assert "The record of who opened what and when." not in page
    assert "no people" not in page


def test_preview_warns_of_unsupported_options(as_administrator: Client, sandbox: Sandbox) -> None:
    reason = "This Moodle always copies the enrolment methods together with the people."
    assert reason in _shown(as_administrator, users="1", enrolments=None)
    assert reason not in _shown(as_administrator, users="1", enrolments="1")
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "asynchronous"})
    assert reason not in _shown(as_administrator, users="1", enrolments=None, visible="on")
    # The proposed functions can only make visible copies. A hidden copy is made as on a stock Moodle.
    assert reason in _shown(as_administrator, users="1", enrolments=None, visible=None)


def test_expected_duration_follows_earlier_copies(as_administrator: Client, sandbox: Sandbox) -> None:
    rough = "About 10 s. This is a rough estimate from the number of activities"
    assert rough in _shown(as_administrator)
    then = timezone.now() - timedelta(days=1)
    times = {"sent_at": then, "restore_at": then + timedelta(minutes=1), "finished_at": then + timedelta(minutes=4)}
    a_job(State.SUCCEEDED, "OTHER", source_id=1000, source_activities=10, **times)
    assert "based on its size and 1 copy of another course." in _shown(as_administrator)
    a_job(State.SUCCEEDED, source_id=BIO101, **times)
    assert "About 4 min, based on 1 earlier copy of this course." in _shown(as_administrator)


def test_preview_says_when_the_copy_starts(as_administrator: Client, sandbox: Sandbox, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    assert "Immediately." in _shown(as_administrator)
    running = a_running_job(source_id=1000)
    assert "Yours is next." in _shown(as_administrator)
    DuplicationJob.objects.filter(pk=running.pk).update(source_id=BIO101)
    assert "After the copy of this course that is being made now." in _shown(as_administrator)
    DuplicationJob.objects.filter(pk=running.pk).update(source_id=1000)
    a_job(shortname="WAITS")
    a_job(shortname="SCHEDULED", not_before=timezone.now() + timedelta(days=1))
    assert "After 1 other copy in the queue." in _shown(as_administrator)
    MoodleHealth.objects.update_or_create(id=1, defaults={"paused_at": timezone.now()})
    assert "resumes automatically when dupdash can use Moodle again." in _shown(as_administrator)


def test_preview_tells_faculty_about_the_approval(as_faculty: Client, sandbox: Sandbox) -> None:
    a_job(State.AWAITING_APPROVAL)
    page = _shown(as_faculty)
    assert "When a course administrator has approved it. 1 other request waits for approval." in page


def test_preview_reveals_nothing_about_foreign_courses(as_faculty: Client, sandbox: Sandbox) -> None:
    page = _shown(as_faculty, source=8)
    assert "No course that you teach was found." in page
    assert "sections with" not in page
    assert "Suggested" not in page


def test_preview_names_a_missing_course_and_a_missing_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    assert "This course does not exist in Moodle" in _shown(as_administrator, source=99999)
    assert "cannot be copied" in _shown(as_administrator, source=1)
    sandbox.stop()
    assert "The source could not be read from Moodle" in _shown(as_administrator)


@pytest.mark.parametrize("source", ["", "x", "-1", "9" * 30])
def test_preview_without_a_source_asks_for_one(as_administrator: Client, sandbox: Sandbox, source: str) -> None:
    assert "Choose a source" in _shown(as_administrator, source=source)


def test_suggested_names_are_free(as_administrator: Client, sandbox: Sandbox) -> None:
    page = _shown(as_administrator)
    assert 'hx-swap-oob="true"' in page
    assert 'data-shortname="BIO101-2027S1"' in page
    a_job(shortname="bio101-2027s1")
    assert 'data-shortname="BIO101-2028S1"' in _shown(as_administrator)


def test_preview_works_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    answer = as_administrator.post(FORM, form(preview="1", shortname="", note="Hello"))
    page = text(answer)
    assert answer.status_code == 200
    assert "16 sections with 64 activities" in page
    assert "Suggested: <strong>Introduction to Biology (2027S1)</strong>, <strong>BIO101-2027S1</strong>" in page
    assert "Hello</textarea>" in page
    # The form has not been checked or sent yet.
    assert "form-errors" not in page
    assert not DuplicationJob.objects.exists()


def test_suggested_names_are_filled_in_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.post(FORM, form(use_names="1", fullname="Typed", shortname="TYPED")))
    assert 'value="Introduction to Biology (2027S1)"' in page
    assert 'value="BIO101-2027S1"' in page
    assert "TYPED" not in page


def test_page_loads_the_preview_of_a_chosen_source(as_administrator: Client, sandbox: Sandbox) -> None:
    assert 'hx-trigger="load, change' in text(as_administrator.get(f"{FORM}?source={BIO101}"))
    assert 'hx-trigger="change' in text(as_administrator.get(FORM))


def test_size_of_a_source_is_cached(as_administrator: Client, sandbox: Sandbox) -> None:
    _shown(as_administrator)
    sandbox.state.change(BIO101, sections=())
    assert "16 sections with 64 activities" in _shown(as_administrator, blocks=None)


def test_preview_needs_the_right_to_request(as_help_desk: Client) -> None:
    assert as_help_desk.get(URL, DEFAULTS).status_code == 403


def test_dates_of_the_source_are_those_of_the_site(as_administrator: Client, sandbox: Sandbox, settings: Any) -> None:
    """The preview shows dates in the time zone of the site, not in that of the reader."""
    settings.MOODLE_TIME_ZONE = "Europe/Berlin"
    start = datetime(2025, 9, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    sandbox.state.change(BIO101, startdate=int(start.timestamp()), enddate=0)
    assert "The source starts on 1 Sep 2025 and" in _shown(as_administrator)


def test_preview_shows_the_unchanged_dates_of_the_source(as_administrator: Client, sandbox: Sandbox) -> None:
    start, end = datetime(2026, 2, 16, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)
    sandbox.state.change(BIO101, startdate=int(start.timestamp()), enddate=int(end.timestamp()))
    page = _shown(as_administrator)
    assert "The source starts on 16 Feb 2026 and ends on 30 Jun 2026." in page
    assert "The copy keeps all dates." in page
    sandbox.state.change(BIO101, enddate=0)
    assert "starts on 16 Feb 2026 and has no end date." in _shown(as_administrator)
    sandbox.state.change(BIO101, startdate=0)
    assert "The source has no start date." in _shown(as_administrator)


@pytest.mark.parametrize("hidden", [BIOLOGY_2027, 2], ids=["the category", "one above it"])
def test_visible_copy_in_a_hidden_category_is_said_to_be_invisible(
    as_administrator: Client, sandbox: Sandbox, hidden: int
) -> None:
    asked = {"category": BIOLOGY_2027, "visible": "on"}
    assert "Students can see the copy." in _shown(as_administrator, **asked)
    _hide(sandbox, hidden)
    assert "Students cannot see the copy: its category is hidden" in _shown(as_administrator, **asked)


def test_hidden_categories_are_marked_in_the_form(as_administrator: Client, sandbox: Sandbox) -> None:
    _hide(sandbox, BIOLOGY_2027)
    page = text(as_administrator.get(FORM))
    marked = page.partition(f'name="category" value="{BIOLOGY_2027}"')[2].partition("</label>")[0]
    assert "(hidden from students)" in marked
    assert page.count("(hidden from students)") == 1


def test_copy_of_a_hidden_source_starts_hidden(as_administrator: Client, sandbox: Sandbox) -> None:
    assert _visible_is_ticked(text(as_administrator.get(f"{FORM}?source={BIO101}")))
    sandbox.state.change(BIO101, visible=0)
    assert not _visible_is_ticked(text(as_administrator.get(f"{FORM}?source={BIO101}")))
    assert "data-hidden" in _shown(as_administrator)
    assert "although they cannot see the source" in _shown(as_administrator, visible="on")


def test_copy_of_a_hidden_source_starts_hidden_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.state.change(BIO101, visible=0)
    assert not _visible_is_ticked(text(as_administrator.post(FORM, form(preview="1"))))
    # The person has ticked the checkbox, which was unticked before.
    assert _visible_is_ticked(text(as_administrator.post(FORM, form(preview="1", visible_for=str(BIO101)))))


def _hide(sandbox: Sandbox, category: int) -> None:
    categories = sandbox.state.categories
    categories[category] = replace(categories[category], visible=0)
    cache.clear()


def _visible_is_ticked(page: str) -> bool:
    return " checked" in page.partition('name="visible"')[2].partition(">")[0]
