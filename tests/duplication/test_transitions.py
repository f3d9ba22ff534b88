"""Tests transitions: a job changes its state together with an event, or not at all."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import TRANSITIONS, IllegalTransition, State
from dupdash.duplication.transitions import StaleJob, create_job, move_job, record_event, update_job
from tests.duplication.support import a_job, kinds

pytestmark = pytest.mark.django_db(transaction=True)


def test_transition_changes_the_job_and_adds_an_event(administrator: User) -> None:
    job = a_job(State.QUEUED)
    move_job(
        job,
        State.RUNNING,
        kind="started",
        reason="Why.",
        actor=administrator,
        via="a token",
        data={"x": 1},
        attempts=1,
    )
    assert (job.state, job.attempts) == (State.RUNNING, 1)
    event = job.events.get(kind="started")
    assert (event.from_state, event.to_state, event.reason) == ("queued", "running", "Why.")
    assert (event.actor, event.via, event.data) == (administrator, "a token", {"x": 1})


@pytest.mark.parametrize(
    ("before", "after"), [(one, other) for one in State for other in State if other not in TRANSITIONS[one]]
)
def test_unknown_transition_is_refused(before: State, after: State) -> None:
    job = a_job(before)
    with pytest.raises(IllegalTransition):
        move_job(job, after, kind="x", reason="Why.")
    job.refresh_from_db()
    assert (job.state, kinds(job)) == (before, ["submitted"])


def test_stale_job_is_not_changed() -> None:
    job = a_job(State.QUEUED)
    stale = DuplicationJob.objects.get(pk=job.pk)
    move_job(job, State.CANCELLED, kind="cancelled", reason="Why.")
    for act in (
        lambda: move_job(stale, State.RUNNING, kind="started", reason="Why."),
        lambda: record_event(stale, kind="x", reason="Why."),
        lambda: update_job(stale, attempts=7),
    ):
        with pytest.raises(StaleJob):
            act()
    job.refresh_from_db()
    assert (job.state, job.attempts, kinds(job)) == (State.CANCELLED, 0, ["submitted", "cancelled"])


def test_failed_guard_changes_nothing() -> None:
    job = a_job(State.RUNNING, lease_owner="somebody")
    with pytest.raises(StaleJob):
        move_job(job, State.SUCCEEDED, kind="x", reason="Why.", guard={"lease_owner": "me"})
    with pytest.raises(StaleJob):
        record_event(job, kind="x", reason="Why.", guard={"lease_owner": "me"})
    assert kinds(job) == ["submitted"]


def test_transition_without_its_event_is_rolled_back() -> None:
    """If the event of a transition cannot be stored, the transition is rolled back."""
    job = a_job(State.QUEUED)
    untellable: Any = None
    for act in (
        lambda stale: move_job(stale, State.RUNNING, kind="started", reason=untellable, attempts=1),
        lambda stale: record_event(stale, kind="told", reason=untellable, attempts=1),
    ):
        with pytest.raises(IntegrityError):
            act(DuplicationJob.objects.get(pk=job.pk))
        job.refresh_from_db()
        assert (job.state, job.attempts, kinds(job)) == (State.QUEUED, 0, ["submitted"])


def test_new_job_without_its_event_is_rolled_back() -> None:
    untellable: Any = None
    new = DuplicationJob(state=State.QUEUED, source_id=7, category_id=2, shortname="NEW-1", options={})
    with pytest.raises(IntegrityError):
        create_job(new, reason=untellable, actor=None, via="")
    assert not DuplicationJob.objects.exists()


def test_event_without_changes_is_recorded() -> None:
    job = a_job(State.RUNNING, lease_owner="me")
    record_event(job, kind="told", reason="Only this.", guard={"lease_owner": "me"})
    assert kinds(job) == ["submitted", "told"]


def test_transition_clears_the_lease() -> None:
    job = a_job(State.RUNNING, lease_owner="me")
    move_job(job, State.CHECKING, kind="checking", reason="Why.")
    assert (job.lease_owner, job.lease_until) == ("", None)


@pytest.mark.parametrize("after", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_terminal_state_ends_the_checks(after: State) -> None:
    job = a_job(State.CHECKING, check_at="2026-01-01T00:00Z")
    move_job(job, after, kind="x", reason="Why.")
    assert job.check_at is None
    assert job.finished_at is not None
