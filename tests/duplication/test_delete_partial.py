"""Deleting the partial course of a failed job: only what is proven, looked at once more at that moment."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.engine.completion import NotRemoved, remove_course
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.sandbox.accounts import LIMITED_TOKEN
from tests.duplication.support import (
    Clock,
    Moodle,
    a_job,
    kinds,
    look_until_settled,
    reason,
    run_worker,
    submit,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

DELETE = "core_course_delete_courses"


@pytest.fixture
def failed(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """A job that left an empty course under the requested names: its worker died, and Moodle's answer was lost."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = look_until_settled(run_worker(submit()), clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True)
    return job


@pytest.fixture
def likely(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """A job beside which a partial course stands under a temporary name."""
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    job = look_until_settled(run_worker(submit()), clock)
    assert (job.state, job.left_partial_course, job.may_have_left_course) == (State.FAILED, False, True)
    return job


def stays(job: DuplicationJob, moodle: Moodle) -> None:
    assert moodle.by_id(job.course_id) is not None
    job.refresh_from_db()
    assert job.left_partial_course
    assert "partial_deleted" not in kinds(job)


def test_it_deletes_a_partial_course_that_is_proven(
    moodle: Moodle, failed: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    partial = moodle.by_id(failed.course_id)
    assert partial is not None
    jobs.delete_partial(failed, actor=administrator, client=client_of)
    assert moodle.made() == []
    assert (failed.state, failed.left_partial_course) == (State.FAILED, False)
    assert failed.course_deleted_at is not None
    assert reason(failed, "partial_deleted") == (
        f"Course {partial.id}, “{partial.fullname}” ({partial.shortname}), was deleted in Moodle."
    )
    with pytest.raises(jobs.CannotDo, match="left no course"):
        jobs.delete_partial(failed, actor=administrator, client=client_of)


def test_it_says_so_when_the_course_is_gone_already(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.state.delete(failed.course_id or 0)
    jobs.delete_partial(failed, actor=None, client=client_of)
    assert not failed.left_partial_course
    assert "already gone" in reason(failed, "partial_deleted")


def test_it_deletes_what_somebody_hid_from_students(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.change(failed.course_id, visible=0)
    jobs.delete_partial(failed, actor=None, client=client_of)
    assert moodle.made() == []


@pytest.mark.parametrize("shortname", ["RESCUED", "AT&T_final", "AT&T_1x"])
def test_it_does_not_delete_what_somebody_renamed(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, shortname: str
) -> None:
    moodle.change(failed.course_id, shortname=shortname)
    with pytest.raises(jobs.CannotDo, match="somebody works with it"):
        jobs.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"fullname": "Biology 2027, in use since Monday"}, "is called “Biology 2027, in use since Monday” by now"),
        ({"categoryid": 3}, "moved to another category"),
    ],
)
def test_it_does_not_delete_what_somebody_took_over(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, taken: dict[str, Any], said: str
) -> None:
    """Its short name is still the one that restore gave it."""
    moodle.change(failed.course_id, **taken)
    with pytest.raises(jobs.CannotDo, match=said):
        jobs.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_it_does_not_delete_what_turned_out_to_be_finished(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    source = moodle.course("AT&T")
    moodle.change(failed.course_id, sections=source.sections)
    with pytest.raises(jobs.CannotDo, match="carries the requested names and has contents"):
        jobs.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_it_does_not_delete_without_proof(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("SRC_1")
    job = a_job(State.FAILED, course_id=course.id, proof=Proof.NONE)
    with pytest.raises(jobs.CannotDo, match="left no course"):
        jobs.delete_partial(job, actor=None, client=client_of)
    assert moodle.by_id(course.id) is not None


def test_administrator_deletes_the_candidate_of_their_choice(
    moodle: Moodle, likely: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    (partial,) = moodle.made()
    with pytest.raises(jobs.CannotDo, match="Choose the one to delete"):
        jobs.delete_partial(likely, actor=administrator, client=client_of)
    jobs.delete_partial(likely, actor=administrator, client=client_of, course_id=partial.id)
    assert moodle.made() == []
    assert not likely.may_have_left_course
    assert reason(likely, "partial_deleted").endswith(
        "It was not proven to come from this job: an administrator chose it."
    )


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"fullname": "Biology 2027, in use since Monday"}, "somebody works with it"),
        ({"shortname": "AT&T_final"}, "somebody works with it"),
        ({"categoryid": 3}, "in another category"),
    ],
)
def test_candidate_that_somebody_took_over_is_not_deleted(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient, taken: dict[str, Any], said: str
) -> None:
    (partial,) = moodle.made()
    moodle.change(partial.id, **taken)
    with pytest.raises(jobs.CannotDo, match=said):
        jobs.delete_partial(likely, actor=None, client=client_of, course_id=partial.id)
    assert moodle.by_id(partial.id) is not None
    assert likely.may_have_left_course


def test_course_that_is_no_candidate_is_not_deleted(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient
) -> None:
    other = moodle.add("AT&T_9")
    for course_id in (other.id, likely.source_id, 1):
        with pytest.raises(jobs.CannotDo, match="none of those that this job may have left"):
            jobs.delete_partial(likely, actor=None, client=client_of, course_id=course_id)
    assert moodle.by_id(other.id) is not None


def test_copy_of_another_job_is_not_deleted_as_a_candidate(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient
) -> None:
    (partial,) = moodle.made()
    a_job(State.SUCCEEDED, "OTHER", source_id=likely.source_id, course_id=partial.id, proof=Proof.ANSWERED)
    with pytest.raises(jobs.CannotDo, match="none of those"):
        jobs.delete_partial(likely, actor=None, client=client_of, course_id=partial.id)
    assert moodle.by_id(partial.id) is not None


@pytest.mark.parametrize("complete", [True, False])
def test_it_never_removes_what_is_not_proven_whoever_asks(
    moodle: Moodle, client_of: MoodleClient, complete: bool
) -> None:
    course = moodle.add("NEW-1")
    job = a_job(State.CHECKING, course_id=course.id, proof=Proof.NONE)
    with pytest.raises(NotRemoved, match="No course is proven"):
        remove_course(job, client_of, complete=complete)
    assert moodle.by_id(course.id) is not None


@pytest.mark.parametrize("state", [state for state in State if state != State.FAILED])
def test_it_deletes_for_failed_jobs_only(moodle: Moodle, client_of: MoodleClient, state: State) -> None:
    course = moodle.add("SRC_1")
    job = a_job(state, course_id=course.id, proof=Proof.SEEN)
    with pytest.raises(jobs.CannotDo):
        jobs.delete_partial(job, actor=None, client=client_of)
    assert moodle.by_id(course.id) is not None


def test_it_is_for_administrators_only(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, faculty: User, help_desk: User
) -> None:
    DuplicationJob.objects.filter(pk=failed.pk).update(requester=faculty)
    failed.refresh_from_db()
    for somebody in (faculty, help_desk):
        with pytest.raises(NotAllowed):
            jobs.delete_partial(failed, actor=somebody, client=client_of)
    stays(failed, moodle)


def test_it_says_that_the_token_may_not_delete(moodle: Moodle, failed: DuplicationJob, settings: Any) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    with open_client() as client, pytest.raises(ConfigurationFault):
        jobs.delete_partial(failed, actor=None, client=client)
    stays(failed, moodle)


def test_it_says_that_moodle_refused(moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient) -> None:
    moodle.answer_once(DELETE, "nopermissions", "Sorry, but you do not currently have permissions to do that.")
    with pytest.raises(Refused):
        jobs.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_course_that_is_gone_was_deleted_though_the_answer_was_lost(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    jobs.delete_partial(failed, actor=None, client=client_of)
    assert "was deleted in Moodle" in reason(failed, "partial_deleted")


def test_it_claims_nothing_when_nothing_could_be_looked_up_either(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    moodle.when(DELETE, lambda: moodle.faults.set("html", function="core_course_get_courses_by_field"))
    with pytest.raises(MoodleError):
        jobs.delete_partial(failed, actor=None, client=client_of)
    failed.refresh_from_db()
    assert failed.left_partial_course
    moodle.faults.clear()
    jobs.delete_partial(failed, actor=None, client=client_of)
    assert "already gone" in reason(failed, "partial_deleted")


def test_it_claims_nothing_when_moodle_answered_and_deleted_nothing(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.answer_with(DELETE, {"warnings": []})
    with pytest.raises(jobs.CannotDo, match="Moodle did not delete course"):
        jobs.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_it_shows_a_partial_course_that_still_has_the_requested_name(
    moodle: Moodle, clock: Clock, client_of: MoodleClient
) -> None:
    """Killed in the hidden step: the short name is taken by what was left, and free once that is deleted."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = look_until_settled(run_worker(submit()), clock)
    assert moodle.course("NEW-1").id == job.course_id
    jobs.delete_partial(job, actor=None, client=client_of)
    moodle.may_be_sent_twice.add("new-1")
    again = jobs.retry(job, actor=None, client=client_of)
    assert run_worker(again).state == State.SUCCEEDED
