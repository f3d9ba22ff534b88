import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def _sections(client: Client) -> dict[str, list[str]]:
    return {section.id: [row.shortname for row in section.rows] for section in client.get("/").context["sections"]}


def test_it_sorts_copies_by_what_they_ask_of_an_administrator(as_administrator: Client, faculty: User) -> None:
    now = timezone.now()
    a_running_job(shortname="RUNS")
    a_job(shortname="WAITS")
    a_job(State.AWAITING_APPROVAL, "ASKS", requester=faculty)
    a_job(State.UNRESOLVED, "LOST")
    a_job(State.SUCCEEDED, "DONE", finished_at=now)
    a_job(State.FAILED, "FAILED", finished_at=now)
    a_job(State.FAILED, "LONG-AGO", finished_at=now - timedelta(days=30))
    a_job(State.FAILED, "PARTIAL", finished_at=now - timedelta(days=30), course_id=9, proof="seen")
    retried = a_job(State.FAILED, "RETRIED", finished_at=now)
    a_job(State.SUCCEEDED, "RETRIED", retry_of=retried)
    found = _sections(as_administrator)
    assert set(found["attention"]) == {"ASKS", "LOST", "FAILED", "PARTIAL"}
    assert found["running"] == ["RUNS"]
    assert found["waiting"] == ["WAITS"]
    assert set(found["latest"]) == {"DONE", "RETRIED"}


def test_it_shows_faculty_their_own(as_faculty: Client, faculty: User, colleague: User) -> None:
    a_job(State.AWAITING_APPROVAL, "MINE", requester=faculty)
    a_running_job(shortname="THEIRS", requester=colleague)
    found = _sections(as_faculty)
    assert found == {"running": [], "waiting": ["MINE"]}
    assert "Nothing is being copied at the moment." in text(as_faculty.get("/"))


def test_it_shows_the_help_desk_everything_but_no_approvals(as_help_desk: Client, faculty: User) -> None:
    a_job(State.AWAITING_APPROVAL, "ASKS", requester=faculty)
    a_job(State.UNRESOLVED, "LOST", requester=faculty)
    assert _sections(as_help_desk) == {"attention": ["LOST"], "running": [], "waiting": ["ASKS"]}


def test_it_says_how_many_more_there_are(as_administrator: Client) -> None:
    for number in range(13):
        a_job(shortname=f"N{number}")
    assert "and 3 more" in text(as_administrator.get("/"))


def test_it_answers_nothing_while_nothing_changed(as_administrator: Client) -> None:
    a_job()
    found = re.search(r'hx-get="(/live/[^"]+)"', as_administrator.get("/").content.decode())
    assert found
    url = unescape(found.group(1))
    assert as_administrator.get(url).status_code == 204
    a_running_job(shortname="RUNS", source_id=1)
    answer = as_administrator.get(url)
    assert "SRC → RUNS" in text(answer)
    assert answer["Cache-Control"] == "no-store"
