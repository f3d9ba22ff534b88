"""All rows of the list in one answer."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def _url(page: HttpResponse) -> str:
    found = re.search(r'hx-get="(/jobs/rows/[^"]+)"', page.content.decode())
    assert found
    return unescape(found.group(1))


def test_it_answers_nothing_while_nothing_changed(as_administrator: Client) -> None:
    a_job()
    answer = as_administrator.get(_url(as_administrator.get("/jobs/")))
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")


def test_it_shows_what_changed(as_administrator: Client) -> None:
    one, two = a_job(shortname="ONE"), a_job(shortname="TWO")
    url = _url(as_administrator.get("/jobs/"))
    DuplicationJob.objects.filter(pk=one.pk).update(state=State.CANCELLED)
    answer = as_administrator.get(url)
    assert answer.status_code == 200
    page = text(answer)
    assert page.startswith("{#") is False
    assert 'id="job-rows"' in page
    assert 'data-state="cancelled"' in page
    assert two.pk in page
    assert "<html" not in page


def test_it_ends_when_all_have_ended(as_administrator: Client) -> None:
    job = a_job()
    url = _url(as_administrator.get("/jobs/"))
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.CANCELLED)
    answer = as_administrator.get(url)
    assert answer.status_code == 286
    assert "hx-get" not in text(answer)


def test_it_tells_of_newer_copies_without_pushing_rows_away(as_administrator: Client) -> None:
    a_job(shortname="OLD")
    url = _url(as_administrator.get("/jobs/"))
    a_job(shortname="NEW", created_at=timezone.now() + timedelta(seconds=1))
    page = text(as_administrator.get(url))
    assert "1 newer copy: show it" in page
    assert "NEW" not in page


def test_it_shows_only_a_persons_own(as_faculty: Client, faculty: User, colleague: User) -> None:
    start = timezone.now()
    a_job(shortname="MINE", requester=faculty, created_at=start)
    a_job(shortname="THEIRS", requester=colleague, created_at=start + timedelta(seconds=1))
    a_job(shortname="MINE-TOO", requester=faculty, created_at=start + timedelta(seconds=2))
    url = _url(as_faculty.get("/jobs/")).partition("&seen=")[0]
    page = text(as_faculty.get(url))
    assert "MINE-TOO" in page
    assert "THEIRS" not in page


def test_it_wants_to_know_which_rows(as_administrator: Client) -> None:
    assert as_administrator.get("/jobs/rows/").status_code == 400
