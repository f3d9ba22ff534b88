"""Tests the part of the job page that browsers poll."""

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
from tests.duplication.support import evidence_json
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def _url(page: HttpResponse) -> str:
    found = re.search(r'hx-get="(/jobs/[0-9a-f]{32}/status/[^"]*)"', page.content.decode())
    assert found
    return unescape(found.group(1))


def test_unchanged_status_answers_204(as_administrator: Client) -> None:
    job = a_running_job()
    answer = as_administrator.get(_url(as_administrator.get(f"/jobs/{job.pk}/")))
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")


def test_small_change_of_the_last_contact_answers_204(as_administrator: Client) -> None:
    moment = timezone.now().replace(second=0, microsecond=0)
    job = a_running_job(last_response_at=moment)
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    DuplicationJob.objects.update(last_response_at=moment + timedelta(seconds=2))
    assert as_administrator.get(url).status_code == 204
    DuplicationJob.objects.update(last_response_at=moment + timedelta(seconds=20))
    assert as_administrator.get(url).status_code == 200


def test_changed_figure_sends_only_the_status(as_administrator: Client) -> None:
    begun = timezone.now()
    job = a_running_job(sent_at=begun, started_at=begun, expected_backup=5000.0, expected_restore=5000.0)
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    DuplicationJob.objects.update(sent_at=begun - timedelta(seconds=2010))
    page = text(as_administrator.get(url))
    assert page.startswith('<section class="card stack" id="job-status"')
    assert "about 20 %" in page
    assert "hx-swap-oob" not in page


def test_new_event_sends_the_rest_of_the_page(as_administrator: Client) -> None:
    job = a_job()
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    move_job(job, State.RUNNING, kind="started", reason="A worker claimed the job.")
    answer = as_administrator.get(url)
    page = text(answer)
    assert answer.status_code == 200
    assert "A worker claimed the job." in page
    for part in ("job-announcement", "job-actions", "job-outcome", "job-activity", "job-courses"):
        assert re.search(rf'id="{part}"[^>]* hx-swap-oob=', page), part


def test_polling_ends_with_the_job(as_administrator: Client) -> None:
    job = a_running_job()
    url = _url(as_administrator.get(f"/jobs/{job.pk}/"))
    move_job(job, State.FAILED, kind="failed", reason="Refused.", failure_code="nopermissions")
    answer = as_administrator.get(url)
    page = text(answer)
    assert answer.status_code == 286
    assert "hx-trigger" not in page
    assert "may not copy this course" in page
    assert "Try again" in page


@pytest.mark.parametrize(
    ("columns", "seconds"),
    [
        ({"state": State.AWAITING_APPROVAL}, 4),
        ({"state": State.RUNNING}, 2),
        ({"state": State.UNRESOLVED}, 20),
        ({"state": State.QUEUED, "not_before": timezone.now() + timedelta(days=1)}, 20),
        ({"state": State.QUEUED}, 2),
    ],
)
def test_page_polls_as_often_as_the_state_needs(
    as_faculty: Client, faculty: User, columns: dict[str, Any], seconds: int
) -> None:
    job = a_job(requester=faculty, **columns)
    assert f'hx-trigger="every {seconds}s, refresh"' in text(as_faculty.get(f"/jobs/{job.pk}/status/"))


def test_status_shows_last_contact_and_tries(as_administrator: Client) -> None:
    heard = timezone.now() - timedelta(minutes=3)
    job = a_running_job(last_response_at=heard, attempts=2)
    page = text(as_administrator.get(f"/jobs/{job.pk}/status/"))
    assert f'datetime="{heard.isoformat()}" data-local="relative"' in page
    assert "<dt>Attempts of this job</dt><dd>2</dd>" in page
    assert "<dt>Driver</dt><dd>synchronous</dd>" in page


def a_checked_job(state: State = State.CHECKING, **columns: Any) -> DuplicationJob:
    """Create a job in *checking* whose answer was just lost."""
    now = timezone.now()
    expected = {"expected_backup": 30.0, "expected_restore": 30.0}
    given = {"checking_since": now, "check_at": now + timedelta(seconds=40), **expected}
    return a_running_job(state, **(given | columns))


SEEN = {"id": 812, "shortname": "SRC_1", "fullname": "Source copy 1", "visible": True, "category_id": 4}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, "The new course has not appeared yet. dupdash checks frequently for about 30 min more."),
        (
            {"evidence": evidence_json(SEEN)},
            "A course that is probably the copy has appeared, but there is no proof yet.",
        ),
        (
            {"course_id": 812, "proof": "seen", "evidence": evidence_json(SEEN, own=812)},
            "The new course (id 812) is not complete yet. If nothing changes for about 5 min, it counts as partial.",
        ),
        (
            {"course_id": 812, "proof": "seen", "evidence": evidence_json(SEEN, own=812, has_names_and_contents=True)},
            "(id 812) looks complete. One more",
        ),
        ({}, "dupdash did not get Moodle’s answer."),
        (
            {"request_error": "cannotrestore"},
            "Moodle reported an error. Checking in Moodle whether a part of the copy was left. "
            "The new course has not appeared yet. dupdash checks a few more times before the job ends.",
        ),
        (
            {
                "course_id": 812,
                "proof": "seen",
                "request_error": "cannotrestore",
                "evidence": evidence_json(SEEN, own=812),
            },
            "The new course (id 812) is incomplete. dupdash checks a few more times before the job ends.",
        ),
        (
            {"course_id": 812, "proof": "seen", "evidence": evidence_json(SEEN, own=812, missing=1)},
            "The new course (id 812) was not found in the last check. dupdash checks again.",
        ),
        ({"checking_since": timezone.now() - timedelta(days=1)}, "The new course has not appeared yet.</p>"),
        ({}, "Next check in about 40 s"),
        ({"check_at": timezone.now()}, "Next check in a moment"),
        (
            {"cancel_requested_at": timezone.now()},
            "when Moodle has finished it. dupdash did not get",
        ),
    ],
)
def test_status_shows_what_a_check_has_found(as_administrator: Client, columns: dict[str, Any], told: str) -> None:
    job = a_checked_job(**columns)
    assert told in unescape(text(as_administrator.get(f"/jobs/{job.pk}/status/")))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, "Nothing proves that the copy was made, or that it was not."),
        ({"course_id": 812, "proof": "seen"}, "The new course (id 812) is incomplete."),
    ],
)
def test_status_shows_what_is_known_about_an_unresolved_copy(
    as_administrator: Client, columns: dict[str, Any], told: str
) -> None:
    job = a_checked_job(State.UNRESOLVED, check_at=timezone.now() + timedelta(hours=4), **columns)
    page = unescape(text(as_administrator.get(f"/jobs/{job.pk}/status/")))
    assert told in page


def test_check_shows_all_bars_as_unknown_until_something_is_seen(as_administrator: Client) -> None:
    page = text(as_administrator.get(f"/jobs/{a_checked_job().pk}/status/"))
    assert "Not started" not in page
    assert page.count('aria-valuetext="Unknown') == 3
    assert not re.search(r'aria-valuetext="[^"]*%', page)
