"""The button that fills the form in with a job that has ended: another copy, or another attempt at the same one."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, a_job, form, text

pytestmark = pytest.mark.django_db


def asked_again(client: Client, old: DuplicationJob, label: str) -> DuplicationJob:
    """The job that comes of this button on the page of an old one."""
    address = f"/jobs/new/?from={old.pk}"
    page = text(client.get(f"/jobs/{old.pk}/"))
    assert f'href="{address}"' in page
    assert label in page
    assert client.post(address, form()).status_code == 303
    return DuplicationJob.objects.exclude(pk=old.pk).get()


def test_another_copy_of_what_succeeded_is_no_new_attempt(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    """Nothing went wrong with the first one, so neither its page nor the figures may call the second one a retry."""
    old = a_job(State.SUCCEEDED, "BIO101-2026S2", requester=faculty, source_id=BIO101, course_id=470, proof="answered")
    new = asked_again(as_faculty, old, "Copy again")
    assert new.retry_of is None
    assert "a new attempt at" not in text(as_faculty.get(f"/jobs/{new.pk}/"))
    assert "A new attempt at" not in new.events.get().reason


@pytest.mark.parametrize(
    ("state", "label"),
    [
        (State.FAILED, "Edit and retry"),
        (State.CANCELLED, "Edit and retry"),
        (State.REJECTED, "Ask again, with changes"),
    ],
)
def test_asking_again_for_what_came_to_nothing_is_a_new_attempt(
    as_faculty: Client, faculty: User, sandbox: Sandbox, state: State, label: str
) -> None:
    old = a_job(state, "BIO101-2026S2", requester=faculty, source_id=BIO101)
    new = asked_again(as_faculty, old, label)
    assert new.retry_of == old
    assert f'a new attempt at <a href="/jobs/{old.pk}/">an earlier job</a>' in text(as_faculty.get(f"/jobs/{new.pk}/"))
