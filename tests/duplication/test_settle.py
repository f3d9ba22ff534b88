"""Tests how an administrator settles an unresolved job."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import course_decisions, jobs, tasks
from dupdash.duplication.drivers.copy_evidence import CopyEvidence
from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import late_answer
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.client import MoodleClient
from tests.duplication.support import Moodle, a_job, kinds, reason, submit, timeline_of

DELETE = "core_course_delete_courses"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def test_settled_job_names_the_copy(moodle: Moodle, client_of: MoodleClient, administrator: User) -> None:
    source = moodle.course("AT&T")
    course = moodle.add("NEW-1", fullname="The copy", sections=source.sections)
    job = a_job(State.UNRESOLVED, source_id=source.id)
    course_decisions.settle(job, course_id=course.id, reason=" I looked. ", actor=administrator, client=client_of)
    assert (job.state, job.course_id, job.proof) == (State.SUCCEEDED, course.id, Proof.SETTLED)
    assert reason(job, "settled") == f"Recorded: the copy is course {course.id}, “The copy” (NEW-1). I looked."
    assert job.events.get(kind="settled").actor == administrator
    tasks.sweep()
    job.refresh_from_db()
    assert job.verification is not None
    assert job.verification["complete"], "it is held against its source like any other"


def test_settled_copy_of_a_cancelled_job_is_deleted(
    moodle: Moodle, client_of: MoodleClient, administrator: User
) -> None:
    """If a cancelled job is settled with a copy, the copy is deleted, as the requester was told."""
    course = moodle.add("NEW-1", fullname="Copy called NEW-1")
    own = {"course_id": course.id, "proof": Proof.SEEN}
    job = a_job(State.UNRESOLVED, cancel_requested_at=timezone.now(), **own)
    course_decisions.settle(job, course_id=course.id, reason="I looked.", actor=administrator, client=client_of)
    assert (job.state, job.course_id, job.proof) == (State.CANCELLED, course.id, Proof.SEEN)
    assert moodle.by_id(course.id) is None
    assert job.course_deleted_at is not None
    assert kinds(job) == ["submitted", "settled", "cancelled_copy_deleted"]
    assert job.events.get(kind="settled").actor == administrator


@pytest.mark.parametrize("why", ["no proof", "another name", "another category", "no answer"])
def test_event_says_why_a_cancelled_copy_stays(moodle: Moodle, client_of: MoodleClient, why: str) -> None:
    course = moodle.add("MINE-NOW" if why == "another name" else "NEW-1", fullname="Copy called NEW-1")
    if why == "another category":
        moodle.change(course.id, categoryid=1)
    if why == "no answer":
        moodle.faults.set("reset_before", function="core_course_delete_courses")
    proof = Proof.NONE if why == "no proof" else Proof.SEEN
    job = a_job(State.UNRESOLVED, cancel_requested_at=timezone.now(), course_id=course.id, proof=proof)
    course_decisions.settle(job, course_id=course.id, reason="I looked.", actor=None, client=client_of)
    assert (job.state, job.course_id) == (State.SUCCEEDED, course.id)
    assert moodle.by_id(course.id) is not None
    told = reason(job, "cancelled_copy_kept")
    assert told.startswith("The copy was not deleted: ")
    # Nobody is told to delete a course that somebody uses.
    assert (f"Delete course {course.id} in Moodle." in told) is (why in ("no proof", "no answer"))


def test_settled_course_without_proof_is_not_deleted(moodle: Moodle, client_of: MoodleClient) -> None:
    """Settling a cancelled job does not delete a course without proof that the job made it."""
    course = moodle.add("NEW-1", fullname="Copy called NEW-1")
    job = a_job(State.UNRESOLVED, cancel_requested_at=timezone.now())
    course_decisions.settle(job, course_id=course.id, reason="I looked.", actor=None, client=client_of)
    assert (job.state, job.course_id, job.proof) == (State.SUCCEEDED, course.id, Proof.SETTLED)
    assert moodle.by_id(course.id) is not None
    assert f"A course administrator chose course {course.id} as the copy." in reason(job, "cancelled_copy_kept")
    assert reason(job, "cancelled_copy_kept").endswith(f"Delete course {course.id} in Moodle.")


def test_settle_is_refused_when_the_job_is_cancelled_at_this_moment(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("NEW-1", fullname="The copy")
    seen = a_job(State.UNRESOLVED)
    jobs.cancel(DuplicationJob.objects.get(pk=seen.pk), actor=None)
    with pytest.raises(CannotDo, match="at the same moment"):
        course_decisions.settle(seen, course_id=course.id, reason="I looked.", actor=None, client=client_of)
    assert DuplicationJob.objects.get(pk=seen.pk).state == State.UNRESOLVED


def test_job_can_be_settled_without_a_copy(moodle: Moodle, client_of: MoodleClient, administrator: User) -> None:
    job = a_job(State.UNRESOLVED)
    course_decisions.settle(job, course_id=None, reason="Nothing there.", actor=administrator, client=client_of)
    assert (job.state, job.failure_code, job.course_id) == (State.FAILED, "not_made", None)
    assert reason(job, "settled") == "Recorded: no copy was made. Nothing there."
    assert submit(shortname="new-1").state == State.QUEUED, "the short name is free again"


def test_settled_job_is_not_checked_any_more(moodle: Moodle, client_of: MoodleClient) -> None:
    job = a_job(State.UNRESOLVED)
    course_decisions.settle(job, course_id=None, reason="Nothing there.", actor=None, client=client_of)
    assert job.check_at is None


@pytest.mark.parametrize("why", ["", "  \n"])
def test_settle_needs_a_reason(moodle: Moodle, client_of: MoodleClient, why: str) -> None:
    with pytest.raises(CannotDo, match="Enter how you know"):
        course_decisions.settle(a_job(State.UNRESOLVED), course_id=None, reason=why, actor=None, client=client_of)


def test_settle_refuses_a_missing_course(moodle: Moodle, client_of: MoodleClient) -> None:
    job = a_job(State.UNRESOLVED)
    with pytest.raises(CannotDo, match="no course with the id 98765"):
        course_decisions.settle(job, course_id=98765, reason="I think.", actor=None, client=client_of)
    job.refresh_from_db()
    assert job.state == State.UNRESOLVED


@pytest.mark.parametrize("state", [state for state in State if state != State.UNRESOLVED])
def test_only_unresolved_jobs_are_settled(moodle: Moodle, client_of: MoodleClient, state: State) -> None:
    with pytest.raises(CannotDo, match="unresolved"):
        course_decisions.settle(a_job(state), course_id=None, reason="I looked.", actor=None, client=client_of)


def test_only_administrators_may_settle_jobs(
    moodle: Moodle, client_of: MoodleClient, faculty: User, help_desk: User
) -> None:
    job = a_job(State.UNRESOLVED, requester=faculty)
    for somebody in (faculty, help_desk):
        with pytest.raises(NotAllowed):
            course_decisions.settle(job, course_id=None, reason="I looked.", actor=somebody, client=client_of)


def test_settle_refuses_a_course_that_existed_before(moodle: Moodle, client_of: MoodleClient) -> None:
    old = moodle.add("SRC_1")
    job = a_job(State.UNRESOLVED, baseline={"names": ["SRC_1", "SRC_2"], "present": [old.id]})
    for course_id in (job.source_id, 1, old.id):
        with pytest.raises(CannotDo, match="existed before"):
            course_decisions.settle(job, course_id=course_id, reason="I think.", actor=None, client=client_of)


def test_settle_refuses_the_copy_of_another_job(moodle: Moodle, client_of: MoodleClient) -> None:
    """A job cannot be settled with the copy of another job, even if this course was a candidate."""
    copy = moodle.add("OTHER")
    a_job(State.SUCCEEDED, "OTHER", course_id=copy.id, proof=Proof.SEEN)
    job = a_job(State.UNRESOLVED)
    with pytest.raises(CannotDo, match="copy of another job"):
        course_decisions.settle(job, course_id=copy.id, reason="It is in the list.", actor=None, client=client_of)


def test_settle_without_a_copy_is_refused_when_moodle_has_it(moodle: Moodle, client_of: MoodleClient) -> None:
    """Settling without a copy is refused if a lookup now finds the copy in Moodle."""
    copy = moodle.add("NEW-1", fullname="Copy called NEW-1")
    job = a_job(State.UNRESOLVED)
    with pytest.raises(CannotDo, match=f"Course {copy.id} in Moodle has the requested names"):
        course_decisions.settle(job, course_id=None, reason="I saw none.", actor=None, client=client_of)
    job.refresh_from_db()
    assert job.state == State.UNRESOLVED


def test_settle_without_a_copy_is_refused_after_an_answer(moodle: Moodle, client_of: MoodleClient) -> None:
    copy = moodle.add("NEW-1", fullname="Copy called NEW-1")
    job = a_job(State.UNRESOLVED, evidence=CopyEvidence(answered=copy.id).to_json())
    with pytest.raises(CannotDo, match=f"says that course {copy.id} is the copy"):
        course_decisions.settle(job, course_id=None, reason="Nothing there.", actor=None, client=client_of)


@pytest.mark.parametrize("none", [True, False])
def test_settle_is_refused_when_moodle_answers_at_this_moment(
    moodle: Moodle, client_of: MoodleClient, none: bool
) -> None:
    # Lookups would not find the course. Only Moodle's answer names it.
    copy, other = moodle.add("NEW-1", categoryid=3), moodle.add("OTHER")
    seen = a_job(State.UNRESOLVED, sent_at=timezone.now())
    late_answer.record_late_answer(DuplicationJob.objects.get(pk=seen.pk), copy.id)
    with pytest.raises(CannotDo, match="at the same moment"):
        course_decisions.settle(
            seen, course_id=None if none else other.id, reason="I think.", actor=None, client=client_of
        )
    assert evidence_of(DuplicationJob.objects.get(pk=seen.pk)).answered == copy.id


def test_unanswered_deletion_is_not_reported_as_kept(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("NEW-1", fullname="Copy called NEW-1")
    moodle.faults.set("html", function=DELETE)
    job = a_job(State.UNRESOLVED, cancel_requested_at=timezone.now(), course_id=course.id, proof=Proof.SEEN)
    course_decisions.settle(job, course_id=course.id, reason="I looked.", actor=None, client=client_of)
    assert moodle.by_id(course.id) is None
    assert job.state == State.CANCELLED, timeline_of(job)
    assert job.course_deleted_at is not None
