"""Tests refusing a request on the page of its job."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def test_request_is_refused_with_a_reason(as_administrator: Client, as_faculty: Client, faculty: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    as_administrator.post(f"/jobs/{job.pk}/refuse/", {"reason": "There is a copy already."})
    job.refresh_from_db()
    assert job.state == State.REJECTED
    assert "There is a copy already." in text(as_faculty.get(f"/jobs/{job.pk}/"))


def test_refusal_needs_a_reason(as_administrator: Client) -> None:
    job = a_job(State.AWAITING_APPROVAL)
    answer = as_administrator.post(f"/jobs/{job.pk}/refuse/", {"reason": " "})
    assert answer.status_code == 422
    assert "Enter a reason for the requester." in text(answer)
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL
