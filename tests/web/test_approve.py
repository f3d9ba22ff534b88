from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

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


def test_it_does_not_promise_a_scheduled_copy_at_once(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, not_before=datetime(2099, 3, 4, 22, 0, tzinfo=UTC))
    asked = text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
    told = '<time datetime="2099-03-04T22:00:00+00:00" data-local="datetime">4 Mar 2099, 22:00 UTC</time>'
    assert f"is then copied, but not before this time: {told}" in asked
    answer = text(as_administrator.post(f"/jobs/{job.pk}/approve/", follow=True))
    assert "Approved. It starts at the time that was asked for." in answer
    assert "as soon as a place is free" not in asked + answer


def test_a_moment_that_is_over_holds_nothing_up(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, not_before=timezone.now() - timedelta(hours=1))
    assert "as soon as a place is free" in text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
