"""Tests each fault of the sandbox with the engine: the final state is right, and no copy is made twice."""

from typing import Any

import pytest
from django.db import connection

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    run_proven,
    run_worker,
    submit,
    timeline_of,
    wait_until_course_is_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


@pytest.fixture(autouse=True)
def short_limits(settings: Any) -> None:
    """Settings for fewer checks: a course counts as partial after ten minutes, and checking ends after thirty."""
    settings.CHECK_LIMIT_UNKNOWN = 1800
    settings.CHECK_LONGEST = 200


def assert_is_the_copy(job: DuplicationJob, moodle: Moodle) -> None:
    """Assert that the job succeeded, and that exactly one complete course has the requested names."""
    assert job.state == State.SUCCEEDED
    (copy,) = moodle.made()
    assert (copy.id, copy.complete, copy.shortname, copy.fullname) == (job.course_id, True, job.shortname, job.fullname)
    assert job.is_proven
    assert job.verification is not None
    assert job.verification["complete"]


def assert_not_sent_again(job: DuplicationJob) -> None:
    """Dispatch a job again, and assert that the worker sends nothing."""
    dispatch_again(job)
    before = kinds(job)
    run_worker(job)
    assert kinds(job) == before


LOST = [
    ("gateway_timeout", {"at": 0.3}, "HTTP 504"),
    ("gateway_timeout", {"at": 0.9}, "HTTP 504"),
    ("bad_gateway", {"at": 0.5}, "HTTP 502"),
    ("reset_during", {"at": 0.2}, "the connection broke off"),
    ("reset_after", {}, "the connection broke off"),
    ("empty", {}, "an empty body"),
    ("html", {}, "an HTML page"),
    ("truncated", {}, "JSON that is broken or cut short"),
    ("wrong_course", {}, "the answer is for a course with another short name"),
]


@pytest.mark.parametrize(("fault", "parameters", "told"), LOST)
def test_copy_is_found_when_the_answer_was_lost(
    moodle: Moodle, clock: Clock, settings: Any, fault: str, parameters: dict[str, float], told: str
) -> None:
    # No lookup is made during the call, so all evidence comes from later checks.
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set(fault, count=1, **parameters)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert told in reason(job, "checking")
    assert "checks in Moodle" in reason(job, "checking")
    assert_not_sent_again(job)
    moodle.wait_for_copies()
    assert_is_the_copy(check_until_ended(job, clock), moodle)
    assert job.proof == Proof.SEEN
    assert moodle.calls.created["new-1"] == 1


@pytest.mark.parametrize("killed", [False, True])
def test_hidden_copy_of_an_empty_course_is_told_from_a_shell(
    moodle: Moodle, clock: Clock, settings: Any, killed: bool
) -> None:
    """A hidden copy of an empty course looks like the row that a restore begins with, except for its start date."""
    settings.WATCH_INTERVAL = 3600
    fault = {"name": "killed_in_restore", "step": "hidden"} if killed else {"name": "bad_gateway", "at": 0.1}
    moodle.faults.set(**fault, count=1)
    job = run_worker(submit("SHELL", visible=False))
    assert job.state == State.CHECKING
    moodle.wait_for_copies()
    check_until_ended(job, clock)
    (course,) = moodle.made()
    assert (course.visible, course.modules, len(course.sections)) == (0, (), 1)
    assert (job.state, job.failure_code, job.course_id) == (
        (State.FAILED, "partial_course", course.id) if killed else (State.SUCCEEDED, "", course.id)
    )


@pytest.mark.parametrize(("fault", "parameters", "told"), LOST[:4])
def test_job_is_checked_until_the_requested_names_are_back(
    moodle: Moodle, clock: Clock, fault: str, parameters: dict[str, float], told: str
) -> None:
    """A job whose answer is lost during the restore is checked until the copy has its requested names."""
    moodle.faults.set(fault, count=1, **parameters)
    job = submit()
    with moodle.held_at("hidden", "renamed", "content"):
        assert run_worker(job).state == State.CHECKING
        moodle.wait_for_step("hidden")
        assert check_next(job, clock).state == State.CHECKING
        assert job.restore_at is None, "the row under the requested names is not looked for"
        moodle.gates.release("hidden")
        moodle.wait_for_step("renamed")
        for _ in range(2):
            assert check_next(job, clock).state == State.CHECKING
        assert job.restore_at is not None
        assert job.likely_course_id == moodle.made()[0].id
        moodle.gates.release("renamed")
        moodle.wait_for_step("content")
        await_until(lambda: check_next(job, clock).content_at, "the contents to be seen")
        assert job.state == State.CHECKING
    moodle.wait_for_copies()
    assert_is_the_copy(check_until_ended(job, clock), moodle)
    assert moodle.calls.watched["new-1"] == 0


def test_answer_that_names_another_course_is_not_trusted(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """An answer that names another course is not trusted if another course was seen with a temporary name."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    job = submit()
    other = moodle.add("OTHER")

    def show_a_whole_restore() -> None:
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1")
        wait_until_course_is_seen(DuplicationJob.objects.get(pk=job.pk))
        moodle.change(ours.id, shortname="NEW-1", fullname=job.fullname)
        await_until(lambda: DuplicationJob.objects.get(pk=job.pk).course_id == ours.id, "the proof")
        connection.close()
        moodle.change(other.id, shortname="NEW-1")

    moodle.answer_with(
        "core_course_duplicate_course", {"id": other.id, "shortname": "NEW-1"}, after=show_a_whole_restore
    )
    run_worker(job)
    assert job.state == State.CHECKING
    assert job.course_id != other.id
    said = f"Moodle's answer names course {other.id}, but course {job.course_id} has the requested names and category."
    assert said in reason(job, "checking")


@pytest.mark.parametrize("cancelled", [False, True])
def test_course_that_the_answer_names_is_the_copy(moodle: Moodle, clock: Clock, cancelled: bool) -> None:
    """The course that Moodle's answer names is the copy, even if a person made a course with the same names."""
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        moodle.wait_for_step("renamed")
        (ours,) = moodle.made()
        persons = moodle.add("NEW-1", fullname=job.fullname, visible=0, sections=moodle.state.new_sections(4))
        if cancelled:
            jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        moodle.gates.release()
    check_until_ended(job, clock)
    assert moodle.by_id(persons.id) is not None
    assert (job.state, job.course_id) == (State.CANCELLED if cancelled else State.SUCCEEDED, ours.id)


@pytest.mark.parametrize("cancelled", [False, True])
def test_course_with_another_name_is_not_the_copy(moodle: Moodle, clock: Clock, settings: Any, cancelled: bool) -> None:
    """A hidden course of a person with the same short name but another full name is not taken for the copy."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    job = submit()
    moodle.when(
        "core_course_duplicate_course",
        lambda: moodle.add("NEW-1", fullname="Their own", visible=0, sections=moodle.state.new_sections(4)),
    )
    run_worker(job)
    if cancelled and job.state == State.CHECKING:
        jobs.cancel(job, actor=None)
        check_until_ended(job, clock)
    assert (job.state, job.failure_code, job.course_id) == (State.FAILED, "shortnametaken", None)
    assert len(moodle.named("NEW-1")) == 1


def test_request_that_moodle_never_received_is_unresolved(moodle: Moodle, clock: Clock) -> None:
    """A request that never reached Moodle becomes unresolved, because nothing proves this, and is not sent again."""
    moodle.faults.set("reset_before", count=1)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert_not_sent_again(job)
    check_until_ended(job, clock)
    assert job.state == State.UNRESOLVED
    assert "no proof that the copy was made, nor that it was not made" in reason(job, "unresolved")
    assert "No course that could be the copy was found" in reason(job, "unresolved")
    assert job.candidates == []
    assert_not_sent_again(job)
    assert moodle.calls.asked["new-1"] == 0


@pytest.mark.parametrize("answer", ["bad_gateway", "reset", "empty"])
def test_job_is_unresolved_when_php_dies_in_the_backup(moodle: Moodle, clock: Clock, answer: str) -> None:
    moodle.faults.set("killed_in_backup", answer=answer, count=1)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert check_until_ended(job, clock).state == State.UNRESOLVED
    assert moodle.made() == []


@pytest.mark.parametrize("answer", ["bad_gateway", "reset", "empty"])
def test_shell_of_a_killed_process_is_a_proven_partial_course(moodle: Moodle, clock: Clock, answer: str) -> None:
    """A course that a killed process left with the requested names is proven to be a partial course of the job."""
    moodle.faults.set("killed_in_restore", step="hidden", answer=answer, count=1)
    job = check_until_ended(run_worker(submit()), clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code) == (State.FAILED, "partial_course")
    assert (job.course_id, job.proof, job.left_partial_course) == (partial.id, Proof.SEEN, True)
    told = reason(job, "failed")
    assert f"id {partial.id}, “{partial.fullname} ({partial.shortname})”, hidden" in told
    assert job.events.get(kind="failed").data["course_id"] == partial.id


@pytest.mark.parametrize("answer", ["bad_gateway", "reset", "empty"])
@pytest.mark.parametrize("step", ["renamed", "content"])
@pytest.mark.parametrize("seen_in_time", [True, False])
def test_partial_course_of_a_killed_process_is_a_likely_candidate(
    moodle: Moodle, clock: Clock, settings: Any, step: str, answer: str, seen_in_time: bool
) -> None:
    """A course that a killed process left with a temporary name is only a candidate: it may be another restore."""
    settings.WATCH_INTERVAL = settings.WATCH_INTERVAL if seen_in_time else 3600
    moodle.faults.set("killed_in_restore", step=step, answer=answer, count=1)
    job = run_proven(moodle) if seen_in_time and step == "renamed" else run_worker(submit())
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code) == (State.FAILED, "likely_partial_course")
    assert (job.course_id, job.proof, job.likely_course_id) == (None, Proof.NONE, partial.id)
    assert [candidate["id"] for candidate in job.candidates] == [partial.id]
    assert (job.left_partial_course, job.may_have_left_course) == (False, True)
    assert f"id {partial.id}. There is no proof of this." in reason(job, "failed")
    assert job.events.get(kind="failed").data["candidates"] == [partial.id]


def test_finished_copy_is_found_beside_a_manual_restore(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A finished copy is found after a lost answer, even if another person's restore has a temporary name."""
    settings.WATCH_INTERVAL = 3600
    job = submit()
    moodle.faults.set("reset_after", count=1)
    run_worker(job)
    persons = moodle.add("AT&T_2", fullname="AT&T copy 2", sections=moodle.course("AT&T").sections)
    check_until_ended(job, clock)
    assert_is_the_copy(job, moodle)
    assert job.course_id != persons.id


def test_job_fails_soon_when_moodle_says_that_the_restore_broke(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = run_proven(moodle)
    job.refresh_from_db()
    assert job.state == State.CHECKING
    assert job.moodle_done_at is not None, "its slot is free"
    assert reason(job, "checking").startswith("Moodle answered with an error: ")
    assert ". An incomplete copy may be in Moodle. dupdash checks" in reason(job, "checking")
    assert ".." not in reason(job, "checking")
    assert "error/cannotrestore" in reason(job, "checking")
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.likely_course_id) == (State.FAILED, "cannotrestore", partial.id)
    assert job.checks <= 5, "Moodle is through with it: there is nothing to wait for"


def test_error_without_a_code_ends_the_request(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="none", count=1)
    job = run_proven(moodle)
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.likely_course_id) == (State.FAILED, "error", partial.id)


def test_failure_names_the_courses_that_an_error_may_have_left(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("exception_in_restore", step="renamed", count=1)
    job = check_until_ended(run_worker(submit()), clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.course_id) == (State.FAILED, "cannotrestore", None)
    assert "Moodle may have a part of the copy" in reason(job, "failed")
    assert f"id {partial.id}" in reason(job, "failed")
    assert (job.left_partial_course, job.may_have_left_course) == (False, True)


def test_slow_copy_is_followed_with_few_lookups(moodle: Moodle) -> None:
    moodle.faults.set("slow", factor=10)
    assert_is_the_copy(run_worker(submit()), moodle)


def test_slow_reads_do_not_break_a_copy(moodle: Moodle) -> None:
    moodle.faults.set("slow", function="*", factor=2)
    assert_is_the_copy(run_worker(submit()), moodle)


def test_copy_that_exceeds_the_timeout_is_checked(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_DUPLICATION_TIMEOUT = 0.3
    job = submit()
    with moodle.held_at("backup"):
        run_worker(job)
        assert job.state == State.CHECKING
        assert "no complete answer within 0.3 seconds" in reason(job, "checking")
        assert check_next(job, clock).state == State.CHECKING
    moodle.wait_for_copies()
    assert_is_the_copy(check_until_ended(job, clock), moodle)


@pytest.mark.parametrize("step", ["backup", "renamed"])
def test_unchanged_copy_ends_its_job(moodle: Moodle, clock: Clock, settings: Any, step: str) -> None:
    settings.MOODLE_DUPLICATION_TIMEOUT = 0.5
    moodle.faults.set("stall", step=step, count=1)
    job = submit()
    with working_on(job):
        if step != "backup":
            wait_until_course_is_seen(job)
    check_until_ended(job, clock)
    if step == "backup":
        assert job.state == State.UNRESOLVED
    else:
        (partial,) = moodle.made()
        assert (job.state, job.likely_course_id) == (State.FAILED, partial.id)


def test_copy_is_distinguished_from_a_manual_restore(moodle: Moodle) -> None:
    moodle.faults.set("persons_restore", count=1)
    job = run_worker(submit())
    moodle.wait_for_copies()
    assert_is_the_copy(job, moodle)
    (other,) = [course for course in moodle.state.courses() if course.origin == "person"]
    assert job.course_id != other.id


def test_manual_restore_stays_a_candidate_when_the_answer_is_lost(moodle: Moodle, clock: Clock) -> None:
    """A person's restore is only a candidate if the answer is lost, because nothing proves who made the course."""
    moodle.faults.set("persons_restore", count=1)
    moodle.faults.set("killed_in_backup", count=1)
    job = run_worker(submit())
    moodle.wait_for_copies()
    check_until_ended(job, clock)
    (other,) = [course for course in moodle.state.courses() if course.origin == "person"]
    assert (job.state, job.failure_code) == (State.FAILED, "likely_partial_course")
    assert job.course_id is None
    assert [candidate["id"] for candidate in job.candidates] == [other.id]
    assert moodle.by_id(other.id) is not None


WRONG_READS = ["wrong_course", "html", "empty", "truncated", "reset_after", "bad_gateway"]


@pytest.mark.parametrize("fault", WRONG_READS)
def test_wrong_lookups_do_not_change_the_result(moodle: Moodle, fault: str) -> None:
    """The result is right although one of three reads gets an invalid answer or one for another course."""
    job = submit()
    with moodle.held_at("backup", "renamed"), working_on(job):
        moodle.wait_for_step("backup")
        moodle.faults.set(fault, function="core_course_get_courses_by_field", probability=0.33)
        moodle.gates.release("backup")
        wait_until_course_is_seen(job)
        moodle.gates.release()
        moodle.wait_for_copies()
        moodle.faults.clear()
    job.refresh_from_db()
    assert job.state in (State.SUCCEEDED, State.CHECKING)
    if job.state == State.SUCCEEDED:
        assert_is_the_copy(job, moodle)


def test_wrong_answers_do_not_turn_a_shell_into_a_copy(moodle: Moodle, clock: Clock) -> None:
    """An empty shell does not become a copy if an answer has the contents of another course."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = run_worker(submit())
    moodle.faults.set("wrong_course", function="core_course_get_contents", count=2)
    check_until_ended(job, clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True), timeline_of(job)


def test_wrong_contents_at_the_beginning_are_not_trusted(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.faults.set("wrong_course", function="core_course_get_contents")
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        struck = moodle.faults.struck["wrong_course"]
        await_until(lambda: moodle.faults.struck["wrong_course"] > struck + 10, "some looks to go wrong")
        job.refresh_from_db()
        assert job.state == State.RUNNING
        moodle.faults.clear()
        moodle.gates.release()
    assert_is_the_copy(check_until_ended(job, clock), moodle)


@pytest.mark.parametrize("fault", WRONG_READS)
def test_nothing_is_sent_while_lookups_fail(moodle: Moodle, fault: str) -> None:
    """No request is sent while the lookups before it fail. The job waits and tries again."""
    job = submit()
    moodle.faults.set(fault, function="core_course_get_courses_by_field")
    run_worker(job)
    assert job.state == State.QUEUED
    assert job.retry_at is not None
    assert "sent" not in kinds(job)
    assert moodle.calls.asked["new-1"] == 0
    moodle.faults.clear()
    dispatch_again(job)
    assert_is_the_copy(run_worker(job), moodle)
