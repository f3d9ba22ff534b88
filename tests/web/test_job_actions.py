"""Tests what all actions on a job require: a confirmation, a CSRF token, and a permission."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.states import State
from tests.conftest import signed_in
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db

STATES = {
    "approve": State.AWAITING_APPROVAL,
    "refuse": State.AWAITING_APPROVAL,
    "cancel": State.QUEUED,
    "retry": State.FAILED,
    "delete-partial-course": State.FAILED,
    "settle": State.UNRESOLVED,
}


@pytest.mark.parametrize(("verb", "state"), STATES.items())
def test_action_is_confirmed_first_and_names_the_course(as_administrator: Client, verb: str, state: State) -> None:
    job = a_job(state, course_id=5, proof="seen")
    page = text(as_administrator.get(f"/jobs/{job.pk}/{verb}/"))
    assert "Copy called NEW-1" in page
    assert "NEW-1" in page
    assert '<form class="form" method="post">' in page
    assert f'href="/jobs/{job.pk}/"' in page
    job.refresh_from_db()
    assert job.state == state


@pytest.mark.parametrize("verb", STATES)
def test_action_needs_the_csrf_token(administrator: User, verb: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(f"/jobs/{a_job().pk}/{verb}/").status_code == 403


@pytest.mark.parametrize(("verb", "state"), STATES.items())
def test_action_without_permission_changes_nothing(help_desk: User, verb: str, state: State) -> None:
    job = a_job(state)
    assert signed_in(help_desk).post(f"/jobs/{job.pk}/{verb}/", {"reason": "x"}).status_code == 403
    job.refresh_from_db()
    assert job.state == state
    assert job.events.count() == 1
