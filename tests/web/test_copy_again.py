"""Tests the request form that is filled in from a job that has ended."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, a_job, form, text

pytestmark = pytest.mark.django_db


def asked_again(client: Client, old: DuplicationJob, label: str) -> DuplicationJob:
    """Use this button on the page of an old job, send the form, and return the new job."""
    address = f"/jobs/new/?from={old.pk}"
    page = text(client.get(f"/jobs/{old.pk}/"))
    assert f'href="{address}"' in page
    assert label in page
    assert client.post(address, form()).status_code == 303
    return DuplicationJob.objects.exclude(pk=old.pk).get()


def test_copy_of_a_succeeded_job_is_no_retry(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    """A second copy of a succeeded job is no retry, so neither pages nor figures call it one."""
    old = a_job(State.SUCCEEDED, "BIO101-2026S2", requester=faculty, source_id=BIO101, course_id=470, proof="answered")
    new = asked_again(as_faculty, old, "Copy again")
    assert new.retry_of is None
    assert "a new attempt at" not in text(as_faculty.get(f"/jobs/{new.pk}/"))
    assert "A new attempt at" not in new.events.get().reason


@pytest.mark.parametrize(
    ("state", "label"),
    [
        (State.FAILED, "Edit and try again"),
        (State.CANCELLED, "Edit and try again"),
        (State.REJECTED, "Edit and request again"),
    ],
)
def test_request_from_a_failed_job_is_a_retry(
    as_faculty: Client, faculty: User, sandbox: Sandbox, state: State, label: str
) -> None:
    old = a_job(state, "BIO101-2026S2", requester=faculty, source_id=BIO101)
    new = asked_again(as_faculty, old, label)
    assert new.retry_of == old
    assert f'Attempt 2; <a href="/jobs/{old.pk}/">the previous attempt</a>' in text(as_faculty.get(f"/jobs/{new.pk}/"))
