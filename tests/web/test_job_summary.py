"""Tests the plain-text summary of a job for a ticket."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.states import State
from dupdash.notifications.models import Preferences
from tests.duplication.support import compared
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db

WHEN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def job(faculty: User) -> DuplicationJob:
    job = a_job(
        State.FAILED,
        "NEW-1",
        requester=faculty,
        created_at=WHEN,
        started_at=WHEN,
        finished_at=WHEN + timedelta(minutes=4, seconds=12),
        failure_code="partial_course",
        failure_message="Error writing\nto <database>",
        moodle_error={"errorcode": "dmlwriteexception", "message": "Error writing\nto <database>", "debuginfo": "Full"},
        course_id=4712,
        proof="seen",
        attempts=1,
        note="For the spring.",
    )
    JobEvent.objects.create(
        job=job, at=WHEN, kind="failed", from_state=State.RUNNING, to_state=State.FAILED, reason="It stopped & stays."
    )
    return job


def _plain(client: Client, job: DuplicationJob) -> str:
    answer = client.get(f"/jobs/{job.pk}/summary.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def test_summary_has_everything_in_plain_text(as_help_desk: Client, job: DuplicationJob) -> None:
    told = _plain(as_help_desk, job)
    for words in (
        "Copy of a Moodle course: Failed",
        f"Job:       {job.pk}",
        f"http://testserver/jobs/{job.pk}/",
        "Copy called NEW-1 (NEW-1)",
        "Source (SRC), id 4711",
        "Fay Faculty, through the request form",
        "Requested: 2026-03-01 09:30:00 UTC",
        "took 4 min 12 s",
        "Error:     partial_course",
        "Moodle:    dmlwriteexception Error writing to <database> Full",
        "What happened: Moodle stopped in the middle of the copy.",
        "A partial course was left in Moodle, id 4712.",
        "For the spring.",
        "2026-03-01 09:30:00 UTC  Failed, dupdash. It stopped & stays.",
    ):
        assert words in told


def test_summary_hides_moodles_error_message_from_the_requester(as_faculty: Client, job: DuplicationJob) -> None:
    told = _plain(as_faculty, job)
    assert "What to do:" in told
    assert "Error writing" not in told
    assert "partial_course" not in told


def test_times_are_in_the_readers_time_zone(as_help_desk: Client, help_desk: User, job: DuplicationJob) -> None:
    Preferences.objects.create(user=help_desk, time_zone="Europe/Berlin")
    assert "Requested: 2026-03-01 10:30:00 CET" in _plain(as_help_desk, job)


@pytest.mark.parametrize("state", list(State))
def test_summary_exists_for_every_state(as_administrator: Client, state: State) -> None:
    assert f"Copy of a Moodle course: {state.label}" in _plain(as_administrator, a_job(state))


def test_page_has_a_button_that_copies_the_summary(as_help_desk: Client, job: DuplicationJob) -> None:
    page = text(as_help_desk.get(f"/jobs/{job.pk}/"))
    assert 'data-copies="job-summary-text"' in page
    assert f'href="/jobs/{job.pk}/summary.txt"' in page
    assert "It stopped &amp; stays." in page.partition('id="job-summary-text"')[2]


def test_new_event_sends_the_summary_too(as_help_desk: Client, job: DuplicationJob) -> None:
    page = text(as_help_desk.get(f"/jobs/{job.pk}/status/?seen=0-x"))
    assert 'id="job-summary" aria-labelledby="job-summary-title" hx-swap-oob="true"' in page


def test_summary_of_a_foreign_job_is_not_found(job: DuplicationJob, colleague: User) -> None:
    client = Client()
    client.force_login(colleague)
    assert client.get(f"/jobs/{job.pk}/summary.txt").status_code == 404


def test_summary_warns_if_the_copy_could_not_be_compared(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, course_id=470, verification={"complete": False, "why_not": "The source is gone."})
    assert (
        "This copy could not be compared with its source. The source is gone. "
        "Check the copy in Moodle before you use it."
    ) in _plain(as_administrator, job)


def test_summary_lists_differences_from_the_source(as_administrator: Client) -> None:
    report = {
        "sections": compared(6, 6),
        "activities": compared(
            64,
            33,
            matched=32,
            missing=[{"type": "quiz", "name": "Week 3", "count": 2}],
            more_missing=30,
            extra=[{"type": "forum", "name": "News", "count": 1}],
        ),
        "complete": False,
    }
    told = _plain(as_administrator, a_job(State.SUCCEEDED, course_id=470, verification=report))
    assert (
        "The copy differs from its source. Sections: 6 of 6. Activities and resources: 32 of 64.\n"
        "\n"
        "Missing in the copy:\n"
        "  Quiz “Week 3”, 2 times\n"
        "  and 30 more\n"
        "\n"
        "In the copy only:\n"
        "  Forum “News”\n"
    ) in told
