"""Tests retrying a job that failed or was cancelled."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import approval_actions, jobs
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.request import InvalidRequest, prepare
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import effective
from tests.duplication.support import Moodle, a_job, draft, run_worker, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def ended(moodle: Moodle, state: State = State.FAILED, **columns: Any) -> DuplicationJob:
    """Create a job for a copy of AT&T that ended without a copy."""
    source = moodle.course("AT&T")
    given = {
        "source_id": source.id,
        "source_shortname": source.shortname,
        "source_fullname": source.fullname,
        "fullname": "A copy",
        "visible": False,
        "options": effective({"blocks": False}),
        "note": "For the summer.",
        "origin": Origin.FILE,
    }
    return a_job(state, "NEW-1", **(given | columns))


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_retry_makes_a_new_job_that_names_the_old_one(moodle: Moodle, client_of: MoodleClient, state: State) -> None:
    old = ended(moodle, state)
    new = jobs.retry(old, actor=None, client=client_of)
    assert new.pk != old.pk
    assert (new.retry_of, new.state, new.attempts, new.sent_at) == (old, State.QUEUED, 0, None)
    for name in ("source_id", "fullname", "shortname", "category_id", "visible", "options", "note", "origin"):
        assert getattr(new, name) == getattr(old, name), name
    assert new.events.get().reason == f"A new attempt at job {old.pk}. Queued."
    before = old.events.count()
    assert run_worker(new).state == State.SUCCEEDED
    old.refresh_from_db()
    assert (old.state, old.events.count()) == (state, before), "the old job's story has ended"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.AWAITING_APPROVAL, "is still waiting"),
        (State.QUEUED, "is still waiting"),
        (State.RUNNING, "being made, so another request could make two copies"),
        (State.CHECKING, "was made, so another request could make two copies"),
        (State.UNRESOLVED, "was made, so another request could make two copies"),
    ],
)
def test_retry_is_refused_while_the_copy_may_still_be_made(
    moodle: Moodle, client_of: MoodleClient, state: State, said: str
) -> None:
    job = ended(moodle, state)
    with pytest.raises(CannotDo, match=said):
        jobs.retry(job, actor=None, client=client_of)
    assert said in jobs.why_no_new_request(job)
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REJECTED])
def test_ended_job_can_be_requested_again(state: State) -> None:
    """A job that has ended, with or without success, can be requested again with the form."""
    assert jobs.why_no_new_request(a_job(state)) == ""


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.REJECTED])
def test_only_failed_and_cancelled_jobs_are_retried(moodle: Moodle, client_of: MoodleClient, state: State) -> None:
    with pytest.raises(CannotDo, match="failed or was cancelled"):
        jobs.retry(ended(moodle, state), actor=None, client=client_of)


def cancelled(job: DuplicationJob, by: User) -> DuplicationJob:
    """Create a job that was cancelled before it was sent, so that it can be retried."""
    jobs.cancel(job, actor=by)
    return job


def test_retry_of_an_approved_job_needs_no_approval(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User
) -> None:
    old = ended(moodle, State.AWAITING_APPROVAL, requester=faculty, queued_at=None)
    approval_actions.approve(old, actor=administrator)
    second = jobs.retry(cancelled(old, faculty), actor=faculty, client=client_of)
    assert (second.state, second.requester) == (State.QUEUED, faculty)
    # A retry of the retry needs no approval, either.
    third = jobs.retry(cancelled(second, faculty), actor=faculty, client=client_of)
    assert third.state == State.QUEUED


def test_retry_needs_approval_again_after_an_undone_approval(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User
) -> None:
    old = ended(moodle, State.AWAITING_APPROVAL, requester=faculty, queued_at=None)
    approval_actions.approve(old, actor=administrator, hold=timedelta(minutes=1))
    approval_actions.undo_approval(old, actor=administrator)
    assert jobs.retry(cancelled(old, faculty), actor=faculty, client=client_of).state == State.AWAITING_APPROVAL


def test_retry_needs_no_approval_after_a_second_approval(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User
) -> None:
    old = ended(moodle, State.AWAITING_APPROVAL, requester=faculty, queued_at=None)
    approval_actions.approve(old, actor=administrator, hold=timedelta(minutes=1))
    approval_actions.undo_approval(old, actor=administrator)
    approval_actions.approve(old, actor=administrator)
    assert jobs.retry(cancelled(old, faculty), actor=faculty, client=client_of).state == State.QUEUED


def test_retry_needs_the_approval_of_a_new_policy(
    moodle: Moodle, client_of: MoodleClient, faculty: User, settings: Any
) -> None:
    """A retry needs approval if the first job needed none and the policy has changed since."""
    settings.FACULTY_NEEDS_APPROVAL = False
    old = cancelled(submit(actor=faculty), faculty)
    second = cancelled(jobs.retry(old, actor=faculty, client=client_of), faculty)
    assert second.queued_at is not None
    settings.FACULTY_NEEDS_APPROVAL = True
    assert jobs.retry(second, actor=faculty, client=client_of).state == State.AWAITING_APPROVAL


def test_approval_of_another_request_does_not_count(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User, settings: Any
) -> None:
    """The approval of an earlier request with other names does not count for a retry."""
    approved = ended(moodle, State.AWAITING_APPROVAL, requester=faculty, queued_at=None)
    approval_actions.approve(approved, actor=administrator)
    settings.FACULTY_NEEDS_APPROVAL = False
    wish = prepare(draft(shortname="OTHER"), Origin.FORM, client_of)
    other = jobs.submit(wish, actor=faculty, client=client_of, retry_of=cancelled(approved, faculty))
    settings.FACULTY_NEEDS_APPROVAL = True
    new = jobs.retry(cancelled(other, faculty), actor=faculty, client=client_of)
    assert new.state == State.AWAITING_APPROVAL


def test_retry_by_an_administrator_needs_no_approval(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User
) -> None:
    old = ended(moodle, State.CANCELLED, requester=faculty, queued_at=None)
    new = jobs.retry(old, actor=administrator, client=client_of)
    assert (new.state, new.requester) == (State.QUEUED, faculty)
    assert jobs.retry(cancelled(new, faculty), actor=faculty, client=client_of).state == State.QUEUED


def test_retry_by_the_help_desk_needs_approval(
    moodle: Moodle, client_of: MoodleClient, faculty: User, help_desk: User, settings: Any
) -> None:
    settings.HELP_DESK_MAY_RETRY = True
    old = ended(moodle, State.CANCELLED, requester=faculty, queued_at=None)
    assert jobs.retry(old, actor=help_desk, client=client_of).state == State.AWAITING_APPROVAL


def test_retry_of_an_unapproved_job_needs_approval(moodle: Moodle, client_of: MoodleClient, faculty: User) -> None:
    old = ended(moodle, State.CANCELLED, requester=faculty, queued_at=None)
    new = jobs.retry(old, actor=faculty, client=client_of)
    assert (new.state, new.queued_at) == (State.AWAITING_APPROVAL, None)


def test_retry_by_an_administrator_keeps_the_requester(
    moodle: Moodle, client_of: MoodleClient, faculty: User, administrator: User
) -> None:
    new = jobs.retry(ended(moodle, requester=faculty), actor=administrator, client=client_of)
    assert new.requester == faculty
    assert new.events.get().actor == administrator


def test_retry_is_checked_with_the_requesters_permissions(
    moodle: Moodle, client_of: MoodleClient, colleague: User, administrator: User
) -> None:
    """A retry by an administrator is checked with the permissions of the original requester."""
    with pytest.raises(NotAllowed):
        jobs.retry(ended(moodle, requester=colleague), actor=administrator, client=client_of)


def test_help_desk_may_retry_by_policy_only(
    moodle: Moodle, client_of: MoodleClient, help_desk: User, faculty: User, settings: Any
) -> None:
    old = ended(moodle, requester=faculty)
    with pytest.raises(NotAllowed):
        jobs.retry(old, actor=help_desk, client=client_of)
    settings.HELP_DESK_MAY_RETRY = True
    new = jobs.retry(old, actor=help_desk, client=client_of)
    assert (new.requester, new.events.get().actor) == (faculty, help_desk)


def test_retry_is_refused_while_a_course_has_the_short_name(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("new-1", fullname="The rest of the last time")
    with pytest.raises(InvalidRequest, match="A course in Moodle already has this short name") as caught:
        jobs.retry(ended(moodle), actor=None, client=client_of)
    # The message does not name the course to everybody.
    assert "The rest of the last time" not in str(caught.value)
    (problem,) = caught.value.problems
    assert f"“The rest of the last time” (id {course.id})" in problem.text(in_full=True)


def test_second_retry_is_refused(moodle: Moodle, client_of: MoodleClient) -> None:
    old = ended(moodle)
    first = jobs.retry(old, actor=None, client=client_of)
    jobs.cancel(first, actor=None)
    same = DuplicationJob.objects.get(pk=old.pk)
    for job in (old, same):
        with pytest.raises(CannotDo, match="already tried again"):
            jobs.retry(job, actor=None, client=client_of)
    assert jobs.retry(first, actor=None, client=client_of).retry_of == first
    assert DuplicationJob.objects.count() == 3


def test_one_of_two_concurrent_retries_is_refused(moodle: Moodle, client_of: MoodleClient) -> None:
    old = ended(moodle)
    DuplicationJob.objects.update(is_retried=True)
    with pytest.raises(CannotDo, match="already tried again"):
        jobs.retry(old, actor=None, client=client_of)
    assert DuplicationJob.objects.count() == 1


def test_retry_is_refused_when_the_source_is_gone(moodle: Moodle, client_of: MoodleClient) -> None:
    old = ended(moodle)
    moodle.state.delete(old.source_id)
    with pytest.raises(InvalidRequest, match="no such course"):
        jobs.retry(old, actor=None, client=client_of)


def test_retry_does_not_use_another_course_as_source(moodle: Moodle, client_of: MoodleClient) -> None:
    """A retry uses the id of the deleted source, even if another course has this number as its short name."""
    old = ended(moodle)
    moodle.state.delete(old.source_id)
    moodle.add(str(old.source_id))
    with pytest.raises(InvalidRequest, match="no such course"):
        jobs.retry(old, actor=None, client=client_of)
    assert DuplicationJob.objects.count() == 1


def test_draft_of_a_job_has_its_request(moodle: Moodle) -> None:
    old = ended(moodle)
    wish = jobs.draft_of(old)
    assert (wish.source, wish.fullname, wish.shortname) == (str(old.source_id), "A copy", "NEW-1")
    assert (wish.category_id, wish.visible, wish.note) == (2, False, "For the summer.")
    assert wish.options == old.options
