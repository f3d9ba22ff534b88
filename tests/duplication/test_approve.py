"""Tests approving a waiting job, with and without changes, and refusing it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import approval_actions, idempotency
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.request import DuplicationRequest, InvalidRequest, prepare
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.client import MoodleClient
from tests.duplication.support import Moodle, a_job, draft, reason, run_worker, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


@pytest.fixture
def waiting(moodle: Moodle, faculty: User) -> DuplicationJob:
    return submit("AT&T", actor=faculty)


def changed_request(job: DuplicationJob, client: MoodleClient, **changes: Any) -> DuplicationRequest:
    """Return the request of a job with changes."""
    same = prepare(draft(shortname="SOMETHING-FREE", fullname=job.fullname), Origin.FORM, client)
    return replace(same, **({"shortname": job.shortname} | changes))


def test_approved_job_runs(moodle: Moodle, waiting: DuplicationJob, administrator: User) -> None:
    approval_actions.approve(waiting, actor=administrator)
    assert waiting.state == State.QUEUED
    waiting.refresh_from_db()
    assert waiting.queued_at is not None
    assert waiting.dispatched_at is not None
    event = waiting.events.get(kind="approved")
    assert (event.actor, event.reason) == (administrator, "Approved.")
    assert run_worker(waiting).state == State.SUCCEEDED


def test_approved_job_is_last_in_the_queue(waiting: DuplicationJob, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    submit("5>3", "BEFORE")
    approval_actions.approve(waiting, actor=None)
    waiting.refresh_from_db()
    assert waiting.dispatched_at is None


def test_edit_changes_the_request(
    moodle: Moodle, waiting: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    wish = changed_request(waiting, client_of, shortname="BETTER", visible=False)
    approval_actions.edit_and_approve(waiting, wish, actor=administrator)
    assert (waiting.state, waiting.shortname, waiting.visible) == (State.QUEUED, "BETTER", False)
    event = waiting.events.get(kind="approved")
    assert event.reason == "Approved, with changes to: short name, visibility."
    assert event.data == {"before": {"shortname": "NEW-1", "visible": True}}
    assert run_worker(waiting).state == State.SUCCEEDED
    assert moodle.course("BETTER").visible == 0


def test_original_request_is_known_after_an_edit(waiting: DuplicationJob, client_of: MoodleClient) -> None:
    dates = {"startdate": date(2027, 9, 1), "not_before": timezone.now() + timedelta(hours=1)}
    DuplicationJob.objects.filter(pk=waiting.pk).update(**dates)
    waiting.refresh_from_db()
    first = idempotency.original_request(waiting)
    wish = changed_request(
        waiting,
        client_of,
        fullname="Other",
        shortname="BETTER",
        category_id=3,
        visible=False,
        options=waiting.options | {"blocks": False},
        startdate=None,
        not_before=timezone.now() + timedelta(days=1),
    )
    assert approval_actions.edit_and_approve(waiting, wish, actor=None)
    original = idempotency.original_request(waiting)
    assert {**original, "category_name": ""} == {**first, "category_name": ""}
    assert {name: original[name] for name in dates} == dates


def test_edit_without_changes_only_approves(
    waiting: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    later = timezone.now() + timedelta(days=1)
    DuplicationJob.objects.filter(pk=waiting.pk).update(not_before=later)
    waiting.refresh_from_db()
    assert not approval_actions.edit_and_approve(
        waiting, changed_request(waiting, client_of, not_before=later), actor=administrator
    )
    assert reason(waiting, "approved") == "Approved."
    assert waiting.not_before == later


def test_edit_reserves_the_new_name_and_frees_the_old(
    moodle: Moodle, waiting: DuplicationJob, client_of: MoodleClient
) -> None:
    approval_actions.edit_and_approve(waiting, changed_request(waiting, client_of, shortname="STRASSE"), actor=None)
    with pytest.raises(InvalidRequest):
        submit(shortname="straße")
    assert submit("5>3", "NEW-1").state == State.QUEUED


def test_edit_names_the_job_with_the_short_name(
    moodle: Moodle, waiting: DuplicationJob, client_of: MoodleClient
) -> None:
    wish = changed_request(waiting, client_of, shortname="OTHER")
    holder = submit("5>3", "other")
    with pytest.raises(InvalidRequest) as caught:
        approval_actions.edit_and_approve(waiting, wish, actor=None)
    assert caught.value.problems[0].job == holder
    waiting.refresh_from_db()
    assert (waiting.state, waiting.shortname) == (State.AWAITING_APPROVAL, "NEW-1")


def test_refusal_stores_the_reason(waiting: DuplicationJob, administrator: User) -> None:
    approval_actions.reject(waiting, reason=" Ask for next term's. ", actor=administrator)
    assert waiting.state == State.REJECTED
    assert reason(waiting, "rejected") == "Ask for next term's."
    assert submit(shortname="new-1").state == State.QUEUED


def test_refusal_needs_a_reason(waiting: DuplicationJob, administrator: User) -> None:
    with pytest.raises(CannotDo, match="Enter a reason"):
        approval_actions.reject(waiting, reason=" ", actor=administrator)
    assert waiting.state == State.AWAITING_APPROVAL


@pytest.mark.parametrize("state", [state for state in State if state != State.AWAITING_APPROVAL])
def test_decided_job_cannot_be_decided_again(state: State, moodle: Moodle, client_of: MoodleClient) -> None:
    job = a_job(state)
    with pytest.raises(CannotDo, match="now"):
        approval_actions.approve(job, actor=None)
    with pytest.raises(CannotDo, match="now"):
        approval_actions.reject(job, reason="No.", actor=None)
    with pytest.raises(CannotDo, match="now"):
        approval_actions.edit_and_approve(job, changed_request(job, client_of), actor=None)


def test_first_of_two_decisions_counts(waiting: DuplicationJob) -> None:
    other = DuplicationJob.objects.get(pk=waiting.pk)
    approval_actions.reject(waiting, reason="No.", actor=None)
    with pytest.raises(CannotDo, match="at the same moment"):
        approval_actions.approve(other, actor=None)
    waiting.refresh_from_db()
    assert waiting.state == State.REJECTED


def test_only_administrators_may_decide_requests(
    waiting: DuplicationJob, faculty: User, help_desk: User, client_of: MoodleClient
) -> None:
    for somebody in (faculty, help_desk):
        with pytest.raises(NotAllowed):
            approval_actions.approve(waiting, actor=somebody)
        with pytest.raises(NotAllowed):
            approval_actions.reject(waiting, reason="No.", actor=somebody)
        with pytest.raises(NotAllowed):
            approval_actions.edit_and_approve(waiting, changed_request(waiting, client_of), actor=somebody)
    waiting.refresh_from_db()
    assert waiting.state == State.AWAITING_APPROVAL
