"""What the page of a job polls."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from tests.duplication.support import facts_of
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def _url(page: HttpResponse) -> str:
    found = re.search(r'hx-get="(/jobs/[0-9a-f]{32}/status/[^"]*)"', page.content.decode())
    assert found
    return unescape(found.group(1))


def test_it_answers_nothing_while_nothing_changed(as_administrator: Client) -> None:
    job = a_running_job()
    answer = as_administrator.get(_url(as_administrator.get(f"/jobs/{job.pk}/")))
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")


def test_it_answers_nothing_for_moodle_being_heard_a_moment_later(as_administrator: Client) -> None:
    moment = timezone.now().replace(second=0, microsecond=0)
    job = a_running_job(last_response_at=moment)
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    DuplicationJob.objects.update(last_response_at=moment + timedelta(seconds=2))
    assert as_administrator.get(url).status_code == 204
    DuplicationJob.objects.update(last_response_at=moment + timedelta(seconds=20))
    assert as_administrator.get(url).status_code == 200


def test_it_sends_only_itself_when_a_figure_changed(as_administrator: Client) -> None:
    begun = timezone.now()
    job = a_running_job(sent_at=begun, started_at=begun, expected_backup=50.0, expected_restore=50.0)
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    DuplicationJob.objects.update(sent_at=begun - timedelta(seconds=20))
    page = text(as_administrator.get(url))
    assert page.startswith('<section class="card stack" id="job-status"')
    assert "about 20 %" in page
    assert "hx-swap-oob" not in page


def test_it_brings_the_rest_of_the_page_when_something_happened(as_administrator: Client) -> None:
    job = a_job()
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    move_job(job, State.RUNNING, kind="started", reason="A worker took the job.")
    answer = as_administrator.get(url)
    page = text(answer)
    assert answer.status_code == 200
    assert "A worker took the job." in page
    for part in ("job-announcement", "job-actions", "job-outcome", "job-story", "job-courses"):
        assert re.search(rf'id="{part}"[^>]* hx-swap-oob=', page), part


def test_it_ends_the_polling_with_the_job(as_administrator: Client) -> None:
    job = a_running_job()
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    move_job(job, State.FAILED, kind="failed", reason="Refused.", failure_code="nopermissions")
    answer = as_administrator.get(url)
    page = text(answer)
    assert answer.status_code == 286
    assert "hx-trigger" not in page
    assert "may not copy this course" in page
    assert "Try again" in page


def test_it_asks_rarely_while_a_person_has_to_decide(as_faculty: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    assert 'hx-trigger="every 20s, refresh"' in text(as_faculty.get(f"/jobs/{job.pk}/status/"))


def test_it_knows_when_moodle_was_last_heard_and_how_often_it_was_tried(as_administrator: Client) -> None:
    heard = timezone.now() - timedelta(minutes=3)
    job = a_running_job(last_response_at=heard, attempts=2)
    page = text(as_administrator.get(f"/jobs/{job.pk}/status/"))
    assert f'datetime="{heard.isoformat()}" data-local="relative"' in page
    assert "<dt>Attempts</dt><dd>2</dd>" in page
    assert "<dt>Service</dt><dd>synchronous</dd>" in page


def a_checked_job(state: State = State.CHECKING, **columns: Any) -> DuplicationJob:
    """A job whose answer was lost a moment ago."""
    now = timezone.now()
    expected = {"expected_backup": 30.0, "expected_restore": 30.0}
    given = {"checking_since": now, "check_at": now + timedelta(seconds=40), **expected}
    return a_running_job(state, **(given | columns))


SEEN = {"id": 812, "shortname": "SRC_1", "fullname": "Source copy 1", "visible": True, "category_id": 4}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, "Nothing of the copy has been seen yet. Moodle is looked at closely for about 30 min more."),
        ({"facts": facts_of(SEEN)}, "A course that is likely the copy was seen; there is no proof yet."),
        (
            {"course_id": 812, "proof": "seen", "facts": facts_of(SEEN, own=812)},
            "Its course, id 812, was seen, and is not complete yet. "
            "If it stands still for about 5 min, it is called partial.",
        ),
        ({"course_id": 812, "proof": "seen", "facts": facts_of(SEEN, own=812, has_all=True)}, "id 812, looks complete"),
        ({}, "Moodle’s answer was lost, which proves nothing."),
        (
            {"failure_code": "cannotrestore"},
            "Moodle answered with an error, which does not say what it left behind. "
            "Nothing of the copy has been seen yet. A few more looks decide.",
        ),
        (
            {"course_id": 812, "proof": "seen", "failure_code": "cannotrestore", "facts": facts_of(SEEN, own=812)},
            "Its course, id 812, was seen, and is not complete. A few more looks decide.",
        ),
        (
            {"course_id": 812, "proof": "seen", "facts": facts_of(SEEN, own=812, missing=1)},
            "Its course, id 812, was not found at the last look, and is looked for again.",
        ),
        ({"checking_since": timezone.now() - timedelta(days=1)}, "It was looked for long enough."),
        ({}, "The next look at Moodle comes in about 40 s"),
        ({"check_at": timezone.now()}, "The next look at Moodle comes in a moment"),
        (
            {"cancel_requested_at": timezone.now()},
            "removed as soon as Moodle is done with it. Moodle’s answer was lost",
        ),
    ],
)
def test_it_tells_what_is_known_while_moodle_is_looked_at(
    as_administrator: Client, columns: dict[str, Any], told: str
) -> None:
    job = a_checked_job(**columns)
    assert told in unescape(text(as_administrator.get(f"/jobs/{job.pk}/status/")))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, "There is no proof that the copy was made, and none that it was not."),
        ({"course_id": 812, "proof": "seen"}, "Its course, id 812, is not complete, and how it will end is unknown."),
    ],
)
def test_it_tells_what_is_known_of_an_unresolved_copy(
    as_administrator: Client, columns: dict[str, Any], told: str
) -> None:
    job = a_checked_job(State.UNRESOLVED, check_at=timezone.now() + timedelta(hours=4), **columns)
    page = unescape(text(as_administrator.get(f"/jobs/{job.pk}/status/")))
    assert told in page
    assert "The next look at Moodle comes in about 4 h" in page


@pytest.mark.parametrize("state", [State.CHECKING, State.UNRESOLVED])
def test_it_does_not_claim_that_a_restore_has_not_begun_where_nobody_watched(
    as_administrator: Client, state: State
) -> None:
    page = text(as_administrator.get(f"/jobs/{a_checked_job(state).pk}/status/"))
    assert "Not started" not in page
    assert "Unknown" in page
