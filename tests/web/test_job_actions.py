"""What every verb has in common: it asks by GET, does by POST, and says why it could not."""

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
def test_it_asks_first_and_names_the_course(as_administrator: Client, verb: str, state: State) -> None:
    job = a_job(state, course_id=5, proof="seen")
    page = text(as_administrator.get(f"/jobs/{job.pk}/{verb}/"))
    assert "Copy called NEW-1" in page
    assert "NEW-1" in page
    assert '<form class="form" method="post">' in page
    assert f'href="/jobs/{job.pk}/"' in page
    job.refresh_from_db()
    assert job.state == state


@pytest.mark.parametrize("verb", STATES)
def test_it_needs_the_token_of_its_form(administrator: User, verb: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(f"/jobs/{a_job().pk}/{verb}/").status_code == 403


@pytest.mark.parametrize(("verb", "state"), STATES.items())
def test_it_changes_nothing_for_whom_may_not(help_desk: User, verb: str, state: State) -> None:
    job = a_job(state)
    assert signed_in(help_desk).post(f"/jobs/{job.pk}/{verb}/", {"reason": "x"}).status_code == 403
    job.refresh_from_db()
    assert job.state == state
    assert job.events.count() == 1
