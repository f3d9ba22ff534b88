import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def test_it_queues_the_job(as_administrator: Client, administrator: User, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    answer = as_administrator.post(f"/jobs/{job.pk}/approve/", follow=True)
    job.refresh_from_db()
    assert job.state == State.QUEUED
    event = job.events.last()
    assert event is not None
    assert (event.kind, event.actor) == ("approved", administrator)
    assert "Approved. It runs as soon as a place is free." in text(answer)


def test_it_says_that_somebody_was_quicker(as_administrator: Client) -> None:
    answer = as_administrator.post(f"/jobs/{a_job().pk}/approve/")
    assert answer.status_code == 409
    assert "This job is queued by now." in text(answer)


def test_it_shows_what_is_needed_to_decide(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, note="Same as last year.")
    page = text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
    for words in ("Fay Faculty", "Same as last year.", "Activities and resources, Blocks, Filters"):
        assert words in page
