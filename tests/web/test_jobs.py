"""The list of copies."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def test_it_lists_only_a_persons_own_copies(as_faculty: Client, faculty: User, colleague: User) -> None:
    a_job(shortname="MINE", requester=faculty)
    a_job(shortname="THEIRS", requester=colleague)
    page = text(as_faculty.get("/jobs/"))
    assert "Your copies" in page
    assert "SRC → MINE" in page
    assert "THEIRS" not in page


def test_it_lists_everybodys_for_those_who_help(as_help_desk: Client, faculty: User, colleague: User) -> None:
    a_job(shortname="ONE", requester=faculty)
    a_job(shortname="TWO", requester=colleague)
    a_job(shortname="THREE", requester=None)
    page = text(as_help_desk.get("/jobs/"))
    for words in ("SRC → ONE", "Fay Faculty", "SRC → TWO", "Nadia Bakshi", "SRC → THREE", "the command line"):
        assert words in page


def test_it_leads_from_page_to_page_and_back(as_administrator: Client) -> None:
    moment = timezone.now()
    # Three of each moment: the id parts them, at the edges of pages too.
    for number in range(60):
        a_job(State.SUCCEEDED, f"N{number:02}.", created_at=moment - timedelta(minutes=number // 3))
    expected = list(DuplicationJob.objects.values_list("shortname", flat=True))

    seen, url, pages = [], "/jobs/", []
    while url:
        page = as_administrator.get(url)
        pages.append(url)
        seen += [row.shortname for row in page.context["rows"]]
        url = page.context["older_url"]
    assert seen == expected
    assert len(pages) == 3
    back = as_administrator.get(as_administrator.get(pages[2]).context["newer_url"])
    assert [row.shortname for row in back.context["rows"]] == expected[25:50]
    first = as_administrator.get(back.context["newer_url"])
    assert [row.shortname for row in first.context["rows"]] == expected[:25]
    assert first.context["newer_url"] is None


@pytest.mark.parametrize("query", ["before=nonsense", "after=2026-01-01_x", "before=2026-01-01T00:00:00%2B00:00_"])
def test_it_shows_the_newest_for_a_place_that_there_is_not(as_administrator: Client, query: str) -> None:
    a_job(shortname="ONE")
    assert "SRC → ONE" in text(as_administrator.get(f"/jobs/?{query}"))


@pytest.mark.parametrize(
    "key",
    ["0001-01-01T00:00:00+14:00_x", "9999-12-31T23:59:59-12:00_x", "2026-01-01T00:00:00+00:00_\0"],
)
def test_it_takes_an_absurd_key_for_none(as_administrator: Client, key: str) -> None:
    a_job(shortname="ONE")
    for name in ("before", "after"):
        assert "SRC → ONE" in text(as_administrator.get("/jobs/", {name: key}))
    assert as_administrator.get("/jobs/rows/", {"first": key, "last": key}).status_code == 400


def test_a_page_that_emptied_does_not_say_that_there_are_no_copies(as_administrator: Client) -> None:
    a_job(shortname="ONE")
    page = text(as_administrator.get("/jobs/", {"before": "2000-01-01T00:00:00+00:00_x"}))
    assert "No copies yet" not in page
    assert "SRC → ONE" in page


def test_it_shows_progress_and_why_others_wait(as_administrator: Client) -> None:
    a_running_job(shortname="RUNS")
    a_job(shortname="SAME", source_id=4711)
    a_job(shortname="FREE", source_id=1)
    a_job(shortname="LATER", not_before=timezone.now() + timedelta(hours=2))
    started = {"started_at": timezone.now(), "attempts": 0}
    a_job(shortname="AGAIN", not_before=timezone.now() + timedelta(minutes=2), **started)
    page = text(as_administrator.get("/jobs/"))
    assert 'role="progressbar" aria-label="Progress of Copy called RUNS"' in page
    assert "Another copy of the same course is on its way" in page
    assert "It starts as soon as a place is free." in page
    assert 'data-state="scheduled"' in page
    assert page.count("It starts at the time that was asked for.") == 1
    assert "The last attempt started nothing. It is tried again by itself, a little later." in page


def test_it_says_that_all_waits_while_paused(as_administrator: Client) -> None:
    MoodleHealth.objects.create(paused_at=timezone.now())
    a_job()
    assert "Copies are paused until Moodle can be used again." in text(as_administrator.get("/jobs/"))


def test_it_invites_to_the_first_copy(as_faculty: Client, as_help_desk: Client) -> None:
    assert "No copies yet" in text(as_faculty.get("/jobs/"))
    assert "/jobs/new/" not in text(as_help_desk.get("/jobs/"))


def test_it_polls_only_while_something_goes_on(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED)
    assert "/jobs/rows/" not in text(as_administrator.get("/jobs/"))
    a_job()
    page = text(as_administrator.get("/jobs/"))
    assert page.count('hx-get="/jobs/') == 1
    assert "<noscript>" in page


def test_it_asks_as_little_of_many_jobs_as_of_few(
    as_administrator: Client, faculty: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        a_job(shortname=f"N{number}", requester=faculty)
    as_administrator.get("/jobs/")
    # One of them counts the approvals in the navigation, one reads the worker's heartbeat.
    with django_assert_max_num_queries(9):
        as_administrator.get("/jobs/")


def test_it_marks_a_copy_that_could_not_be_held_against_its_source(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, course_id=470, verification={"complete": False, "why_not": "The source is gone."})
    page = text(as_administrator.get("/jobs/"))
    assert "It could not be held against its source." in page
    assert "It differs from its source." not in page
