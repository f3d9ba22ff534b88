"""Tests start date, end date and ID number in the request form, in its preview and on the job page."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.sandbox.records import Module
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, a_job, form, text

pytestmark = pytest.mark.django_db

PREVIEW = "/jobs/new/preview/"
FORM = "/jobs/new/"
WISH = {"startdate": "2026-09-14", "enddate": "2027-01-30", "idnumber": "B-27"}


@pytest.fixture
def dated(sandbox: Sandbox) -> Sandbox:
    """A source that starts on Monday, 15 September 2025, and ends on 31 January 2026."""
    cache.clear()
    start, end = datetime(2025, 9, 15, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
    sandbox.state.change(BIO101, startdate=int(start.timestamp()), enddate=int(end.timestamp()))
    return sandbox


@pytest.fixture
def with_plugin(dated: Sandbox) -> Sandbox:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "plugin"})
    return dated


@pytest.fixture
def with_update(dated: Sandbox) -> Sandbox:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "synchronous", "may_update": True})
    return dated


def shown(client: Client, **asked: Any) -> str:
    return text(client.get(PREVIEW, {"source": BIO101, "activities": "1", "visible": "1"} | asked))


def test_form_makes_a_job_with_dates_and_idnumber(as_administrator: Client, with_plugin: Sandbox) -> None:
    as_administrator.post(FORM, form(**WISH, enrolments="2"))
    job = DuplicationJob.objects.get()
    assert (job.startdate, job.enddate, job.idnumber) == (date(2026, 9, 14), date(2027, 1, 30), "B-27")
    assert job.options["enrolments"] == 2
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    for words in (
        "Start date 14 Sep 2026",
        "End date 30 Jan 2027",
        "Dates of activities move with the start date",
        "ID number B-27",
    ):
        assert words in page


def test_form_names_the_field_of_a_bad_date(as_administrator: Client, with_plugin: Sandbox) -> None:
    page = text(as_administrator.post(FORM, form(startdate="2026-09-14", enddate="2026-09-13")))
    assert "The end date is before the start date, 2026-09-14." in page
    assert 'id="id_enddate_error"' in page
    assert 'value="2026-09-13"' in page
    assert not DuplicationJob.objects.exists()


def test_form_says_why_a_site_cannot_set_dates(as_administrator: Client, dated: Sandbox) -> None:
    page = text(as_administrator.get(FORM))
    assert "The copy keeps the dates of the source. dupdash cannot set the dates" in page
    assert "core_course_update_courses" in page
    assert 'name="startdate"' not in page


def test_site_with_the_plugin_offers_three_values_of_enrolments(as_administrator: Client, with_plugin: Sandbox) -> None:
    page = text(as_administrator.get(FORM))
    assert '<select name="enrolments"' in page
    assert "Always, even without people" in page


def test_faculty_may_copy_enrolment_methods_but_no_people(as_faculty: Client, with_plugin: Sandbox) -> None:
    page = text(as_faculty.get(FORM))
    assert "Always, even without people" in page
    assert "With the people" not in page
    as_faculty.post(FORM, form(enrolments="2"))
    assert DuplicationJob.objects.get().options["enrolments"] == 2


def test_shift_by_whole_weeks_is_offered(as_administrator: Client, with_plugin: Sandbox) -> None:
    page = shown(as_administrator)
    assert 'data-value="2026-09-14"' in page
    assert "14 Sep 2026 (52 weeks later)" in page
    answer = as_administrator.post(FORM, form(use_start="2026-09-14"))
    assert 'name="startdate" value="2026-09-14"' in text(answer)


def test_preview_shows_the_dates_of_course_and_activities(as_administrator: Client, with_plugin: Sandbox) -> None:
    page = shown(as_administrator, startdate="2026-09-14")
    assert "Course starts: 15 Sep 2025 → <strong>14 Sep 2026</strong>" in page
    assert "(52 weeks later)" in page
    assert "Course ends: 31 Jan 2026 → <strong>30 Jan 2027</strong>" in page
    assert "Due" in page or "Opened" in page
    assert "All dates of activities move with the start date." in page


def test_samples_show_each_kind_of_date(as_administrator: Client, with_plugin: Sandbox) -> None:
    """The samples show each kind of date, even if all opening dates come before the first due date."""
    source = with_plugin.course("BIO101-2026S1")
    start = source.startdate

    def dated(module: Module) -> Module:
        return replace(module, dates=(("allowsubmissionsfromdate", start + 60), ("duedate", start + 999_999)))

    sections = [replace(one, modules=tuple(map(dated, one.modules))) for one in source.sections]
    with_plugin.state.change(BIO101, sections=tuple(sections))
    page = shown(as_administrator, startdate="2026-09-14")
    samples = page.partition("Course ends")[2]
    assert ": Opened" in samples
    assert ": Due" in samples


def test_preview_warns_of_other_weekdays(as_administrator: Client, with_plugin: Sandbox) -> None:
    assert "not a whole number of weeks" in shown(as_administrator, startdate="2026-09-15")
    assert "not a whole number of weeks" not in shown(as_administrator, startdate="2026-09-14")


def test_preview_of_a_stock_site_says_that_activities_stay(as_administrator: Client, with_update: Sandbox) -> None:
    page = shown(as_administrator, startdate="2026-09-14")
    assert "Course starts: 15 Sep 2025 → <strong>14 Sep 2026</strong>" in page
    assert "Dates of activities stay the same" in page
    assert "Opened" not in page


def test_copy_again_starts_with_the_same_dates(as_administrator: Client, with_plugin: Sandbox) -> None:
    job = a_job(source_id=BIO101, state="failed", startdate=date(2026, 9, 14), idnumber="B-27")
    page = text(as_administrator.get(FORM, {"from": job.pk}))
    assert 'value="2026-09-14"' in page
    assert 'value="B-27"' in page
