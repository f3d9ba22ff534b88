import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.states import State
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def test_it_cancels_what_was_not_started(as_faculty: Client, faculty: User) -> None:
    job = a_job(requester=faculty)
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/", follow=True)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert answer.redirect_chain == [(f"/jobs/{job.pk}/", 303)]
    assert "Cancelled. Nothing had been started." in text(answer)
    event = job.events.last()
    assert event is not None
    assert (event.kind, event.actor) == ("cancelled", faculty)


def test_it_asks_to_have_a_running_copy_removed(as_faculty: Client, faculty: User) -> None:
    job = a_running_job(requester=faculty)
    assert "Moodle cannot be stopped while it copies." in text(as_faculty.get(f"/jobs/{job.pk}/cancel/"))
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/", follow=True)
    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert job.cancel_requested_at is not None
    assert "the copy is removed as soon as Moodle is done with it" in text(answer)
    # It is not offered twice.
    assert f'href="/jobs/{job.pk}/cancel/"' not in text(answer)


def test_it_says_that_it_is_too_late(as_faculty: Client, faculty: User) -> None:
    job = a_job(State.SUCCEEDED, requester=faculty)
    answer = as_faculty.post(f"/jobs/{job.pk}/cancel/")
    assert answer.status_code == 409
    assert "This job has ended (succeeded); there is nothing to cancel." in text(answer)
