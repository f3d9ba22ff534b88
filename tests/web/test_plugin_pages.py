"""Tests what pages and CSV files show about copies of the Moodle plugin: queue, progress and report."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth, Phase
from dupdash.duplication.states import State
from tests.web.support import a_running_job, text

pytestmark = pytest.mark.django_db

REPORT: dict[str, Any] = {
    "sourcecourseid": 7,
    "courseid": 400,
    "activities": [{"modname": "quiz", "oldcmid": 12, "newcmid": 45, "oldinstance": 1, "newinstance": 2}],
    "missing": [
        {"kind": "enrolmentmethods", "name": "self", "source": 1, "copy": 0},
        {"kind": "activities", "name": "quiz", "source": 3, "copy": 1},
    ],
    "pointing": [
        {
            "kind": "link",
            "cmid": 46,
            "modname": "page",
            "name": "<b>Help</b>",
            "where": "page.content",
            "url": "/c?id=7",
        }
    ],
}


def job_of_plugin(state: State = State.RUNNING, **columns: Any) -> DuplicationJob:
    return a_running_job(state, **{"driver": "plugin", "duplicate_id": "a" * 32} | columns)


def page_of(client: Client, job: DuplicationJob) -> str:
    return text(client.get(f"/jobs/{job.pk}/"))


def test_place_in_moodles_queue_is_shown(as_administrator: Client) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"cron_run_at": timezone.now()})
    job = job_of_plugin(moodle_queue_ahead=3, sent_at=timezone.now() - timedelta(minutes=5))
    page = page_of(as_administrator, job)
    assert "Has been waiting in Moodle’s queue for" in page
    assert "behind 3 tasks." in page
    assert "cron" not in page


def test_backup_of_a_copy_in_moodles_queue_has_not_started(as_administrator: Client) -> None:
    job = job_of_plugin(moodle_queue_ahead=0)
    # Each text occurs twice: once visible, and once for screen readers.
    assert page_of(as_administrator, job).count("Not started") == 4
    DuplicationJob.objects.update(moodle_queue_ahead=None)
    assert page_of(as_administrator, job).count("Not started") == 2


def test_time_of_the_backup_is_without_the_wait_in_moodles_queue(as_administrator: Client) -> None:
    now = timezone.now()
    times = {"sent_at": now - timedelta(minutes=9), "moodle_started_at": now - timedelta(seconds=90)}
    job = job_of_plugin(phase=Phase.RESTORE, restore_at=now - timedelta(seconds=60), **times)
    assert "took 30 s" in page_of(as_administrator, job)


@pytest.mark.parametrize(("minutes", "words"), [(17, "Moodle’s cron last ran"), (None, "cron has not run yet")])
def test_cron_that_stands_still_is_named(as_administrator: Client, minutes: int | None, words: str) -> None:
    ran = timezone.now() - timedelta(minutes=minutes) if minutes else None
    MoodleHealth.objects.update_or_create(id=1, defaults={"cron_run_at": ran})
    page = page_of(as_administrator, job_of_plugin(moodle_queue_ahead=0))
    assert "as the next task" in page
    assert words in page


def test_time_left_follows_the_pace_of_the_copy(as_administrator: Client) -> None:
    now = timezone.now()
    job = job_of_plugin(
        moodle_started_at=now - timedelta(minutes=10),
        reported_progress=0.5,
        reported_at=now,
        progress_floor=0.5,
        phase=Phase.RESTORE,
        sent_at=now,
    )
    page = page_of(as_administrator, job)
    assert "about 10 min left, at the pace so far" in page


def test_report_is_on_the_page_of_the_job(as_administrator: Client) -> None:
    job = job_of_plugin(State.SUCCEEDED, course_id=400, finished_at=timezone.now(), moodle_report=REPORT)
    page = page_of(as_administrator, job)
    for words in (
        "Enrolment methods (self): 0 of 1",
        "Quizzes: 1 of 3",
        "&lt;b&gt;Help&lt;/b&gt;",
        "/mod/page/view.php?id=46",
        "/mod/quiz/view.php?id=45",
    ):
        assert words in page
    assert "<b>Help</b>" not in page


def test_copy_without_a_report_has_no_empty_card(as_administrator: Client) -> None:
    assert "Report from Moodle" not in page_of(as_administrator, job_of_plugin(State.SUCCEEDED, course_id=400))


def test_report_is_in_the_file(as_administrator: Client) -> None:
    job_of_plugin(State.SUCCEEDED, course_id=400, finished_at=timezone.now(), moodle_report=REPORT)
    answer: Any = as_administrator.get("/jobs/copies.csv")
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    (row,) = csv.DictReader(content.decode("utf-8-sig").splitlines())
    assert row["Activity ids (source>copy)"] == "quiz 12>45"
    assert "Quizzes: 1 of 3" in row["Not in the copy"]
    assert "/c?id=7" in row["Links to the source"]
