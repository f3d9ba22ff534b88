"""Tests that the list keeps the unfinished rows of its page up to date by polling."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def rows_url(page: HttpResponse) -> str:
    found = re.search(r'hx-get="(/jobs/rows/[^"]+)"', page.content.decode())
    assert found
    return unescape(found.group(1))


def test_unfinished_copies_come_first_and_running_ones_before_waiting_ones(as_administrator: Client) -> None:
    now = timezone.now()
    a_job(State.SUCCEEDED, "DONE", created_at=now)
    a_job(State.AWAITING_APPROVAL, "ASKS", created_at=now - timedelta(hours=1))
    a_job(State.QUEUED, "WAITS", created_at=now - timedelta(hours=2))
    a_running_job(shortname="RUNS", created_at=now - timedelta(hours=3))
    a_job(State.FAILED, "FAILED", created_at=now - timedelta(hours=4))
    shown = as_administrator.get("/jobs/").context["rows"]
    assert [row.shortname for row in shown] == ["RUNS", "ASKS", "WAITS", "DONE", "FAILED"]


def test_page_polls_only_its_unfinished_rows(as_administrator: Client) -> None:
    done = a_job(State.SUCCEEDED, "DONE")
    assert "/jobs/rows/" not in text(as_administrator.get("/jobs/"))
    waits = a_job(shortname="WAITS")
    page = as_administrator.get("/jobs/")
    assert "<noscript>" in text(page)
    assert waits.pk in rows_url(page)
    assert done.pk not in rows_url(page)
    assert "/jobs/rows/" not in text(as_administrator.get("/jobs/?state=succeeded"))


def test_poll_of_unchanged_rows_answers_204(as_administrator: Client) -> None:
    a_job()
    answer = as_administrator.get(rows_url(as_administrator.get("/jobs/")))
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")


def test_poll_replaces_changed_rows_in_place(as_administrator: Client) -> None:
    one, two, done = a_job(shortname="ONE"), a_job(shortname="TWO"), a_job(State.SUCCEEDED, "DONE")
    url = rows_url(as_administrator.get("/jobs/"))
    DuplicationJob.objects.filter(pk=one.pk).update(state=State.CANCELLED)
    answer = as_administrator.get(url)
    page = text(answer)
    assert answer.status_code == 200
    assert f'<template> <tr id="row-{one.pk}" hx-swap-oob="true">' in page
    assert 'data-state="cancelled"' in page
    assert f'id="tick-{two.pk}"' in page
    assert done.pk not in page
    assert "<html" not in page
    # From now on only the other row is polled.
    assert one.pk not in rows_url(answer)
    assert two.pk in rows_url(answer)


def test_polling_ends_when_all_rows_have_finished(as_administrator: Client) -> None:
    job = a_job()
    url = rows_url(as_administrator.get("/jobs/"))
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.CANCELLED)
    answer = as_administrator.get(url)
    assert answer.status_code == 286
    assert "hx-get" not in text(answer)


def test_newer_copies_are_counted_without_moving_rows(as_administrator: Client) -> None:
    a_job(shortname="OLD")
    url = rows_url(as_administrator.get("/jobs/"))
    a_job(shortname="NEW", created_at=timezone.now() + timedelta(seconds=1))
    page = text(as_administrator.get(url))
    assert "1 newer copy: show it" in page
    assert "NEW" not in page


@pytest.mark.parametrize("query", ["state=queued", "sort=-created", "q=old"])
def test_newer_copies_are_counted_on_the_unfiltered_first_page_only(as_administrator: Client, query: str) -> None:
    a_job(shortname="OLD")
    url = rows_url(as_administrator.get(f"/jobs/?{query}"))
    a_job(shortname="NEW", created_at=timezone.now() + timedelta(seconds=1))
    assert as_administrator.get(url).status_code == 204


def test_rows_of_other_people_are_not_shown(as_faculty: Client, faculty: User, colleague: User) -> None:
    mine, theirs = a_job(shortname="MINE", requester=faculty), a_job(shortname="THEIRS", requester=colleague)
    page = text(as_faculty.get(f"/jobs/rows/?job={mine.pk}&job={theirs.pk}"))
    assert "MINE" in page
    assert "THEIRS" not in page


@pytest.mark.parametrize("query", ["", "job=", "job=%00&newest=%00", "newest=9999-12-31T23:59:59-12:00", "newest=x"])
def test_poll_for_nothing_that_exists_ends_the_polling(as_administrator: Client, query: str) -> None:
    a_job()
    assert as_administrator.get(f"/jobs/rows/?{query}").status_code == 286


def test_rows_show_progress_or_why_a_copy_waits(as_administrator: Client) -> None:
    a_running_job(shortname="RUNS")
    a_job(shortname="SAME", source_id=4711)
    a_job(shortname="FREE", source_id=1)
    a_job(shortname="LATER", not_before=timezone.now() + timedelta(hours=2))
    page = text(as_administrator.get("/jobs/"))
    assert 'role="progressbar" aria-label="Progress of Copy called RUNS"' in page
    assert 'data-state="scheduled"' in page
    notes = {row.shortname: row.note for row in as_administrator.get("/jobs/").context["rows"]}
    assert notes["RUNS"] == ""
    assert all(notes[name] for name in ("SAME", "FREE", "LATER"))
    assert len(set(notes.values())) == 4


def test_rows_say_that_copying_is_paused(as_administrator: Client) -> None:
    a_job()
    MoodleHealth.objects.create(paused_at=timezone.now())
    note = as_administrator.get("/jobs/").context["rows"][0].note
    assert note == "Copying is paused. It resumes automatically when dupdash can use Moodle again."


def test_unverified_copy_is_marked(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, course_id=470, verification={"complete": False, "why_not": "The source is gone."})
    page = text(as_administrator.get("/jobs/"))
    assert "The copy could not be compared with its source." in page
    assert "The copy differs from its source." not in page


def test_empty_list_leads_to_the_first_copy(as_faculty: Client, as_help_desk: Client) -> None:
    page = text(as_faculty.get("/jobs/"))
    assert "No copies yet" in page
    assert page.count('href="/jobs/new/"') > text(as_help_desk.get("/jobs/")).count('href="/jobs/new/"')
