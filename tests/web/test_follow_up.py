"""Tests following up failures: they are assigned, get a note, are resolved, and are opened again."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(faculty: User) -> DuplicationJob:
    now = timezone.now()
    left = {"course_id": 9, "proof": "seen"}
    return a_job(State.FAILED, requester=faculty, finished_at=now, failure_code="partial_course", **left)


def _send(client: Client, job: DuplicationJob, **fields: str) -> str:
    return text(client.post(f"/jobs/{job.pk}/follow-up/", fields, follow=True))


def test_failure_is_assigned_with_a_note(as_help_desk: Client, help_desk: User, job: DuplicationJob) -> None:
    page = _send(as_help_desk, job, assignee_id=str(help_desk.pk), note="Asked the teacher, waits")
    job.refresh_from_db()
    assert (job.assignee, job.assignee_note, job.resolved_at) == (help_desk, "Asked the teacher, waits", None)
    assert "The follow-up is saved." in page
    assert "Assigned to Hal Helper. Asked the teacher, waits" in page.partition('id="job-activity"')[2]
    assert "Hal Helper: Asked the teacher, waits" in text(as_help_desk.get("/jobs/")).replace("\u2068", "").replace(
        "\u2069", ""
    )


def test_resolved_failure_leaves_needs_attention_and_can_be_undone(as_help_desk: Client, job: DuplicationJob) -> None:
    def attention() -> list[str]:
        return [row.id for row in as_help_desk.get("/jobs/?state=attention").context["rows"]]

    assert attention() == [job.pk]
    assert as_help_desk.get("/jobs/?state=open").context["rows"]
    page = _send(as_help_desk, job, note="", resolve="1")
    assert "Resolved: this failure no longer needs attention." in page
    assert "Undo</button>" in page
    assert attention() == []
    assert not as_help_desk.get("/jobs/?state=open").context["rows"]
    assert "attention" not in {section.id for section in as_help_desk.get("/").context["sections"]}
    _send(as_help_desk, job, note="", reopen="1")
    assert attention() == [job.pk]


def test_unchanged_follow_up_adds_nothing_to_the_activity(as_help_desk: Client, job: DuplicationJob) -> None:
    _send(as_help_desk, job, note="")
    assert not job.events.filter(kind="assigned").exists()


def test_filter_lists_what_is_assigned_to_a_person(
    as_administrator: Client, help_desk: User, job: DuplicationJob
) -> None:
    a_job(State.FAILED, "OTHER")
    _send(as_administrator, job, assignee_id=str(help_desk.pk), note="")
    shown = as_administrator.get(f"/jobs/?assignee={help_desk.pk}").context["rows"]
    assert [row.id for row in shown] == [job.pk]


def test_requester_sees_no_follow_up_and_cannot_send_one(as_faculty: Client, job: DuplicationJob) -> None:
    assert "Follow-up" not in text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert as_faculty.post(f"/jobs/{job.pk}/follow-up/", {"resolve": "1"}).status_code == 403
    assert "assignee" not in as_faculty.get("/jobs/").context["form"].fields


def test_faculty_cannot_be_assigned(as_help_desk: Client, faculty: User, job: DuplicationJob) -> None:
    assert "The follow-up was not saved." in _send(as_help_desk, job, assignee_id=str(faculty.pk), note="")
    job.refresh_from_db()
    assert job.assignee is None


def test_only_failures_are_followed_up(as_help_desk: Client) -> None:
    job = a_job(State.SUCCEEDED)
    assert "Follow-up" not in text(as_help_desk.get(f"/jobs/{job.pk}/"))
    assert "Only a failed copy can be assigned or marked as resolved." in _send(as_help_desk, job, resolve="1", note="")
