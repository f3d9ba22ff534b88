"""Tests cancelling a job on its page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def test_job_that_was_not_started_is_cancelled(as_faculty: Client, faculty: User) -> None:
    job = a_job(requester=faculty)
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/", follow=True)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert answer.redirect_chain == [(f"/jobs/{job.pk}/", 303)]
    assert "is cancelled. Nothing had been started." in text(answer)
    event = job.events.last()
    assert event is not None
    assert (event.kind, event.actor) == ("cancelled", faculty)


def test_cancelled_running_copy_will_be_deleted(as_faculty: Client, faculty: User) -> None:
    job = a_running_job(requester=faculty)
    assert "Moodle cannot stop a copy that it has started." in text(as_faculty.get(f"/jobs/{job.pk}/cancel/"))
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/", follow=True)
    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert job.cancel_requested_at is not None
    assert "dupdash deletes the copy when Moodle has finished it" in text(answer)
    # Cancelling is not offered a second time.
    assert f'href="/jobs/{job.pk}/cancel/"' not in text(answer)


def test_copy_of_the_plugin_is_stopped(as_faculty: Client, faculty: User) -> None:
    job = a_running_job(requester=faculty, driver="plugin", duplicate_id="a" * 32)
    asked = text(as_faculty.get(f"/jobs/{job.pk}/cancel/"))
    assert f"Moodle stops “{job.fullname}” ({job.shortname}) and deletes the new course." in asked
    answer = text(as_faculty.post(f"/jobs/{job.pk}/cancel/", follow=True))
    assert "is cancelled. Moodle stops the copy and deletes the new course." in answer
    for page in (asked, answer):
        assert "cannot stop" not in page
        assert "has finished it" not in page


def test_checked_copy_of_the_plugin_is_deleted_when_it_is_finished(as_faculty: Client, faculty: User) -> None:
    job = a_running_job(State.CHECKING, requester=faculty, driver="plugin", checking_since=timezone.now())
    asked = text(as_faculty.get(f"/jobs/{job.pk}/cancel/"))
    assert "when Moodle has finished it." in asked
    assert "Moodle cannot stop" not in asked


def test_ended_job_cannot_be_cancelled(as_faculty: Client, faculty: User) -> None:
    job = a_job(State.SUCCEEDED, requester=faculty)
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/")
    assert answer.status_code == 409
    assert "This job has ended (succeeded), so it cannot be cancelled." in text(answer)
