"""Tests deleting the partial course of a failed job, which is checked once more right before the deletion."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import course_decisions, jobs
from dupdash.duplication.engine.job_endings import NotDeleted, delete_copy
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.sandbox.accounts import LIMITED_TOKEN
from tests.duplication.support import (
    Clock,
    Moodle,
    a_job,
    check_until_ended,
    kinds,
    reason,
    run_worker,
    submit,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

DELETE = "core_course_delete_courses"


@pytest.fixture
def failed(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """A failed job that left an empty shell. Its worker died, and Moodle's answer was lost."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = check_until_ended(run_worker(submit()), clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True)
    return job


@pytest.fixture
def likely(moodle: Moodle, clock: Clock) -> DuplicationJob:
    """A failed job with a candidate: a partial course with a temporary name."""
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    job = check_until_ended(run_worker(submit()), clock)
    assert (job.state, job.left_partial_course, job.may_have_left_course) == (State.FAILED, False, True)
    return job


def stays(job: DuplicationJob, moodle: Moodle) -> None:
    assert moodle.by_id(job.course_id) is not None
    job.refresh_from_db()
    assert job.left_partial_course
    assert "partial_deleted" not in kinds(job)


def test_proven_partial_course_is_deleted(
    moodle: Moodle, failed: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    partial = moodle.by_id(failed.course_id)
    assert partial is not None
    course_decisions.delete_partial(failed, actor=administrator, client=client_of)
    assert moodle.made() == []
    assert (failed.state, failed.left_partial_course) == (State.FAILED, False)
    assert failed.course_deleted_at is not None
    assert reason(failed, "partial_deleted") == (
        f"Course {partial.id}, “{partial.fullname}” ({partial.shortname}), was deleted in Moodle."
    )
    with pytest.raises(CannotDo, match="no partial course to delete"):
        course_decisions.delete_partial(failed, actor=administrator, client=client_of)


def test_missing_course_is_reported_as_gone(moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient) -> None:
    moodle.state.delete(failed.course_id or 0)
    course_decisions.delete_partial(failed, actor=None, client=client_of)
    assert not failed.left_partial_course
    assert "no longer finds" in reason(failed, "partial_deleted")


def test_hidden_partial_course_is_deleted(moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient) -> None:
    moodle.change(failed.course_id, visible=0)
    course_decisions.delete_partial(failed, actor=None, client=client_of)
    assert moodle.made() == []


@pytest.mark.parametrize("shortname", ["RESCUED", "AT&T_final", "AT&T_1x"])
def test_renamed_course_is_not_deleted(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, shortname: str
) -> None:
    moodle.change(failed.course_id, shortname=shortname)
    with pytest.raises(CannotDo, match="somebody is using it"):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (
            {"fullname": "Biology 2027, in use since Monday"},
            "to “Biology 2027, in use since Monday”, so somebody is using it",
        ),
        ({"categoryid": 3}, "to another category"),
    ],
)
def test_course_in_use_is_not_deleted(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, taken: dict[str, Any], said: str
) -> None:
    """A partial course that somebody renamed or moved is not deleted, even if its short name is unchanged."""
    moodle.change(failed.course_id, **taken)
    with pytest.raises(CannotDo, match=said):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_finished_course_is_not_deleted(moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient) -> None:
    source = moodle.course("AT&T")
    moodle.change(failed.course_id, sections=source.sections)
    with pytest.raises(CannotDo, match="has the requested names, and more contents than"):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_unproven_course_needs_a_choice(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("SRC_1")
    job = a_job(State.FAILED, course_id=course.id, proof=Proof.NONE)
    with pytest.raises(CannotDo, match="no partial course to delete"):
        course_decisions.delete_partial(job, actor=None, client=client_of)
    assert moodle.by_id(course.id) is not None


def test_administrator_deletes_the_candidate_of_their_choice(
    moodle: Moodle, likely: DuplicationJob, administrator: User, client_of: MoodleClient
) -> None:
    (partial,) = moodle.made()
    with pytest.raises(CannotDo, match="Choose the course to delete"):
        course_decisions.delete_partial(likely, actor=administrator, client=client_of)
    course_decisions.delete_partial(likely, actor=administrator, client=client_of, course_id=partial.id)
    assert moodle.made() == []
    assert not likely.may_have_left_course
    assert reason(likely, "partial_deleted").endswith(
        "A course administrator chose it; it was not proven to come from this job."
    )


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"fullname": "Biology 2027, in use since Monday"}, "somebody is using it"),
        ({"shortname": "AT&T_final"}, "somebody is using it"),
        ({"categoryid": 3}, "not in the requested category"),
    ],
)
def test_candidate_in_use_is_not_deleted(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient, taken: dict[str, Any], said: str
) -> None:
    (partial,) = moodle.made()
    moodle.change(partial.id, **taken)
    with pytest.raises(CannotDo, match=said):
        course_decisions.delete_partial(likely, actor=None, client=client_of, course_id=partial.id)
    assert moodle.by_id(partial.id) is not None
    assert likely.may_have_left_course


def test_course_that_is_no_candidate_is_not_deleted(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient
) -> None:
    other = moodle.add("AT&T_9")
    for course_id in (other.id, likely.source_id, 1):
        with pytest.raises(CannotDo, match="not one of the courses that this job may have left"):
            course_decisions.delete_partial(likely, actor=None, client=client_of, course_id=course_id)
    assert moodle.by_id(other.id) is not None


def test_copy_of_another_job_is_not_deleted_as_a_candidate(
    moodle: Moodle, likely: DuplicationJob, client_of: MoodleClient
) -> None:
    (partial,) = moodle.made()
    a_job(State.SUCCEEDED, "OTHER", source_id=likely.source_id, course_id=partial.id, proof=Proof.ANSWERED)
    with pytest.raises(CannotDo, match="not one of the courses"):
        course_decisions.delete_partial(likely, actor=None, client=client_of, course_id=partial.id)
    assert moodle.by_id(partial.id) is not None


@pytest.mark.parametrize("complete", [True, False])
def test_unproven_course_of_a_job_is_not_deleted(moodle: Moodle, client_of: MoodleClient, complete: bool) -> None:
    course = moodle.add("NEW-1")
    job = a_job(State.CHECKING, course_id=course.id, proof=Proof.NONE)
    with pytest.raises(NotDeleted, match="It is not proven that this job made a course"):
        delete_copy(job, client_of, complete=complete)
    assert moodle.by_id(course.id) is not None


@pytest.mark.parametrize("state", [state for state in State if state != State.FAILED])
def test_only_courses_of_failed_jobs_are_deleted(moodle: Moodle, client_of: MoodleClient, state: State) -> None:
    course = moodle.add("SRC_1")
    job = a_job(state, course_id=course.id, proof=Proof.SEEN)
    with pytest.raises(CannotDo):
        course_decisions.delete_partial(job, actor=None, client=client_of)
    assert moodle.by_id(course.id) is not None


def test_only_administrators_may_delete_partial_courses(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient, faculty: User, help_desk: User
) -> None:
    DuplicationJob.objects.filter(pk=failed.pk).update(requester=faculty)
    failed.refresh_from_db()
    for somebody in (faculty, help_desk):
        with pytest.raises(NotAllowed):
            course_decisions.delete_partial(failed, actor=somebody, client=client_of)
    stays(failed, moodle)


def test_refusal_says_that_the_token_may_not_delete(moodle: Moodle, failed: DuplicationJob, settings: Any) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    with open_client() as client, pytest.raises(ConfigurationFault):
        course_decisions.delete_partial(failed, actor=None, client=client)
    stays(failed, moodle)


def test_refusal_passes_on_moodles_message(moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient) -> None:
    moodle.answer_once(DELETE, "nopermissions", "Sorry, but you do not currently have permissions to do that.")
    with pytest.raises(Refused):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_missing_course_counts_as_deleted_without_an_answer(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    course_decisions.delete_partial(failed, actor=None, client=client_of)
    assert "was deleted in Moodle" in reason(failed, "partial_deleted")


def test_deletion_is_not_claimed_without_a_lookup(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.faults.set("html", function=DELETE, count=1)
    moodle.when(DELETE, lambda: moodle.faults.set("html", function="core_course_get_courses_by_field"))
    with pytest.raises(MoodleError):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    failed.refresh_from_db()
    assert failed.left_partial_course
    moodle.faults.clear()
    course_decisions.delete_partial(failed, actor=None, client=client_of)
    assert "no longer finds" in reason(failed, "partial_deleted")


def test_deletion_is_not_claimed_when_the_course_is_still_there(
    moodle: Moodle, failed: DuplicationJob, client_of: MoodleClient
) -> None:
    moodle.answer_with(DELETE, {"warnings": []})
    with pytest.raises(CannotDo, match="Moodle did not delete course"):
        course_decisions.delete_partial(failed, actor=None, client=client_of)
    stays(failed, moodle)


def test_partial_course_with_the_requested_name_is_deleted(
    moodle: Moodle, clock: Clock, client_of: MoodleClient
) -> None:
    """A partial course with the requested short name can be deleted, which frees the short name."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = check_until_ended(run_worker(submit()), clock)
    assert moodle.course("NEW-1").id == job.course_id
    course_decisions.delete_partial(job, actor=None, client=client_of)
    moodle.may_be_sent_twice.add("new-1")
    again = jobs.retry(job, actor=None, client=client_of)
    assert run_worker(again).state == State.SUCCEEDED
