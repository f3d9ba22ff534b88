"""Tests approving one request on the page of its job."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def test_approved_job_is_queued(as_administrator: Client, administrator: User, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    answer = as_administrator.post(f"/jobs/{job.pk}/approve/", follow=True)
    job.refresh_from_db()
    assert job.state == State.QUEUED
    event = job.events.last()
    assert event is not None
    assert (event.kind, event.actor) == ("approved", administrator)
    assert "is approved." in text(answer)


def test_approval_of_a_decided_request_names_the_current_state(as_administrator: Client) -> None:
    answer = as_administrator.post(f"/jobs/{a_job().pk}/approve/")
    assert answer.status_code == 409
    assert "This job is queued now." in text(answer)


def test_confirmation_shows_everything_needed_to_decide(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, note="Same as last year.")
    page = text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
    for words in ("Fay Faculty", "Same as last year.", "Activities and resources, Blocks, Filters"):
        assert words in page


def test_confirmation_names_the_scheduled_time(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, not_before=datetime(2099, 3, 4, 22, 0, tzinfo=UTC))
    asked = text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
    told = '<time datetime="2099-03-04T22:00:00+00:00" data-local="datetime">4 Mar 2099, 22:00 UTC</time>'
    assert f"at this time: {told}" in asked
    answer = text(as_administrator.post(f"/jobs/{job.pk}/approve/", follow=True))
    assert "is approved." in answer
    assert "as soon as possible" not in asked + answer


def test_past_scheduled_time_is_ignored(as_administrator: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty, not_before=timezone.now() - timedelta(hours=1))
    assert "as soon as possible" in text(as_administrator.get(f"/jobs/{job.pk}/approve/"))
