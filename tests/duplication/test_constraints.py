"""Tests the constraints of the database, which decide when two requests come at the same time."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import a_job

pytestmark = pytest.mark.django_db

# This list is written by hand, so that it shows a state that was forgotten in the program.
HOLD_THEIR_NAME = [State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING, State.CHECKING, State.UNRESOLVED]
ENDED = [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REJECTED]


def test_each_state_reserves_the_name_or_is_terminal() -> None:
    assert {*HOLD_THEIR_NAME, *ENDED} == set(State)


@pytest.mark.parametrize("second", HOLD_THEIR_NAME)
@pytest.mark.parametrize("first", HOLD_THEIR_NAME)
def test_two_unfinished_jobs_cannot_have_one_short_name(first: State, second: State) -> None:
    a_job(first, "Straße", source_id=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_job(second, "STRASSE", source_id=2)
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize("ended", ENDED)
def test_ended_job_frees_its_short_name(ended: State) -> None:
    for state in (ended, ended, State.QUEUED):
        a_job(state, "NEW-1")
    assert DuplicationJob.objects.count() == 3


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED])
def test_key_of_a_person_makes_one_job(administrator: User, faculty: User, state: State) -> None:
    """A person's idempotency key belongs to one job, even after the job has ended."""
    a_job(state, "ONE", requester=administrator, idempotency_key="2026-BIO")
    with pytest.raises(IntegrityError), transaction.atomic():
        a_job(State.QUEUED, "TWO", requester=administrator, idempotency_key="2026-BIO")
    a_job(State.QUEUED, "THREE", requester=faculty, idempotency_key="2026-BIO")


def test_jobs_without_a_key_are_not_limited(administrator: User) -> None:
    for shortname in ("ONE", "TWO"):
        a_job(State.QUEUED, shortname, requester=administrator, idempotency_key="")
    assert DuplicationJob.objects.count() == 2
