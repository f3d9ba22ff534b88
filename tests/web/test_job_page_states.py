"""Tests the page of a job in each state: the first message, the progress, and that its parts agree."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def _page(client: Client, job: DuplicationJob) -> str:
    return text(client.get(f"/jobs/{job.pk}/"))


def _status(page: str) -> str:
    return page.partition('id="job-status"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("state", "columns", "words"),
    [
        (State.AWAITING_APPROVAL, {}, "A course administrator must approve this copy."),
        (State.QUEUED, {}, "Starts as soon as possible."),
        (State.QUEUED, {"not_before": NOW + timedelta(days=1)}, "Starts at the scheduled time. <time"),
        (State.REJECTED, {"finished_at": NOW}, "No copy was made."),
        (State.CANCELLED, {"finished_at": NOW}, "There is no copy in Moodle."),
        (State.UNRESOLVED, {"sent_at": NOW, "started_at": NOW}, "Nothing proves that the copy was made"),
    ],
)
def test_job_without_progress_shows_no_bars_and_no_dashes(
    as_administrator: Client, state: State, columns: dict[str, Any], words: str
) -> None:
    status = _status(_page(as_administrator, a_job(state, **columns)))
    assert words in status
    assert "progressbar" not in status
    assert "–" not in status
    assert "Time left" not in status


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.UNRESOLVED])
def test_page_leads_with_why_and_what_to_do(as_administrator: Client, state: State) -> None:
    job = a_job(state, failure_code="unreachable" if state == State.FAILED else "", finished_at=NOW)
    JobEvent.objects.create(job=job, kind="rejected", to_state=state, reason="There is a copy already.")
    page = _page(as_administrator, job)
    assert page.index('class="callout-title"') < page.index('id="job-status"')
    if state == State.FAILED:
        assert page.index("What to do:") < page.index('id="job-status"')


@pytest.mark.parametrize(
    ("columns", "backup", "restore"),
    [
        ({}, "Stopped", "Not started"),
        ({"restore_at": NOW, "phase": "restore"}, "100 %", "Stopped"),
    ],
)
def test_failed_copy_claims_no_percentage_for_the_whole(
    as_administrator: Client, columns: dict[str, Any], backup: str, restore: str
) -> None:
    given = {"expected_backup": 5.0, "expected_restore": 5.0, "progress_floor": 0.52} | columns
    status = _status(_page(as_administrator, a_running_job(State.FAILED, finished_at=NOW, **given)))
    assert re.findall(r'aria-valuetext="([^"]+?) ?"', status) == [backup, restore]
    assert "52 %" not in status


def test_restore_bar_is_unknown_when_the_whole_is_beyond_the_backup(as_administrator: Client) -> None:
    job = a_running_job(driver="asynchronous", progress_floor=0.97)
    status = _status(_page(as_administrator, job))
    assert 'aria-valuetext="97 %' in status
    assert "Not started" not in status
    assert "Unknown" in status


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING])
def test_cancelled_job_is_not_shown_as_running(as_administrator: Client, state: State) -> None:
    job = a_running_job(state, cancel_requested_at=NOW)
    for address in (f"/jobs/{job.pk}/", "/jobs/"):
        page = text(as_administrator.get(address)).partition("<main")[2]
        assert 'data-state="cancelling"' in page
        assert 'class="state" data-state="running"' not in page
        assert 'class="state" data-state="checking"' not in page


@pytest.mark.parametrize(
    ("state", "title", "icon"),
    [
        (State.QUEUED, "Queued: NEW-1", "tab-waiting"),
        (State.SUCCEEDED, "Succeeded: NEW-1", "tab-succeeded"),
        (State.FAILED, "Failed: NEW-1", "tab-failed"),
        (State.UNRESOLVED, "Unresolved: NEW-1", "tab-attention"),
        (State.REJECTED, "Refused: NEW-1", "tab-ended"),
    ],
)
def test_tab_title_and_icon_show_the_state(as_administrator: Client, state: State, title: str, icon: str) -> None:
    page = as_administrator.get(f"/jobs/{a_job(state, finished_at=NOW).pk}/").content.decode()
    plain = page.replace("\u2068", "").replace("\u2069", "")
    assert f"<title>{title} · dupdash</title>" in plain
    assert f'href="/static/img/{icon}.svg"' in page
    assert f'data-icon="/static/img/{icon}.svg"' in page


def test_tab_title_shows_the_percentage_of_a_running_copy(as_administrator: Client) -> None:
    begun = timezone.now() - timedelta(seconds=50)
    job = a_running_job(sent_at=begun, started_at=begun, expected_backup=100.0, expected_restore=100.0)
    assert re.search(r"<title>Running 2\d %: ", _page(as_administrator, job))


def test_requester_reads_how_long_approvals_usually_take(
    as_faculty: Client, faculty: User, administrator: User
) -> None:
    job = a_job(State.AWAITING_APPROVAL, "WAITS", requester=faculty)
    assert "were approved within" not in _page(as_faculty, job)
    for hours in (1, 2, 9):
        decided = a_job(State.SUCCEEDED, f"N{hours}", created_at=NOW - timedelta(hours=hours), requester=faculty)
        JobEvent.objects.create(job=decided, kind="approved", to_state="queued", reason="Approved.", at=NOW)
    from django.core.cache import cache

    cache.clear()
    assert "Half of the recent requests were approved within about 2 h." in _page(as_faculty, job)


def test_page_names_who_approved_the_copy(as_faculty: Client, faculty: User, administrator: User) -> None:
    job = a_job(requester=faculty)
    JobEvent.objects.create(job=job, kind="approved", to_state="queued", reason="Approved.", actor=administrator)
    assert "<dt>Approved by</dt><dd>Ada Admin," in _page(as_faculty, job)


def test_new_event_removes_the_notices_of_an_earlier_moment(as_administrator: Client) -> None:
    job = a_job()
    assert 'id="page-messages" hx-swap-oob="true"' in text(as_administrator.get(f"/jobs/{job.pk}/status/?seen=0-x"))


def test_activity_shows_times_with_seconds(as_administrator: Client) -> None:
    page = _page(as_administrator, a_job())
    assert 'data-local="exact"' in page.partition('id="job-activity"')[2]


def test_phases_that_ended_unobserved_show_no_duration(as_administrator: Client) -> None:
    """A lookup finds the copy after its worker was lost: nobody saw how long the restore took."""
    now = timezone.now()
    times = {"sent_at": now - timedelta(minutes=5), "restore_at": now - timedelta(minutes=4), "finished_at": now}
    job = a_job(State.SUCCEEDED, course_id=470, proof="seen", **times)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "took 1 min" in page
    assert "took 4 min" in page
    DuplicationJob.objects.update(checking_since=now - timedelta(minutes=3))
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "took 1 min" in page
    assert "took 4 min" not in page
    DuplicationJob.objects.update(restore_at=now)
    assert "took" not in text(as_administrator.get(f"/jobs/{job.pk}/"))
