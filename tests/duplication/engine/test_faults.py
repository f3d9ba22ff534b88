"""Each fault of the sandbox, through the engine: the final truth, and that nothing was made twice."""

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
    kinds,
    look,
    look_until_settled,
    reason,
    run_proven,
    run_worker,
    story,
    submit,
    told_again_at_once,
    until_seen,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]


@pytest.fixture(autouse=True)
def short_limits(settings: Any) -> None:
    """The same policy with fewer looks: a partial course is judged after ten minutes, looking ends after thirty."""
    settings.CHECK_LIMIT_UNKNOWN = 1800
    settings.CHECK_LONGEST = 200


def is_the_copy(job: DuplicationJob, moodle: Moodle) -> None:
    """Succeeded, and exactly one complete course carries the requested names."""
    assert job.state == State.SUCCEEDED
    (copy,) = moodle.made()
    assert (copy.id, copy.complete, copy.shortname, copy.fullname) == (job.course_id, True, job.shortname, job.fullname)
    assert job.is_proven
    assert job.verification is not None
    assert job.verification["complete"]


def sent_again_in_vain(job: DuplicationJob) -> None:
    """Whatever tells a worker to run the job again, it leaves quietly."""
    told_again_at_once(job)
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
def test_it_finds_the_copy_whose_answer_was_lost(
    moodle: Moodle, clock: Clock, settings: Any, fault: str, parameters: dict[str, float], told: str
) -> None:
    # Nothing is seen while the call waits: all that is known comes from looking afterwards.
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set(fault, count=1, **parameters)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert told in reason(job, "checking")
    assert "looked up in Moodle" in reason(job, "checking")
    sent_again_in_vain(job)
    moodle.wait_for_copies()
    is_the_copy(look_until_settled(job, clock), moodle)
    assert job.proof == Proof.SEEN
    assert moodle.calls.created["new-1"] == 1


@pytest.mark.parametrize(("fault", "parameters", "told"), LOST[:4])
def test_job_is_looked_up_until_the_names_are_set_back(
    moodle: Moodle, clock: Clock, fault: str, parameters: dict[str, float], told: str
) -> None:
    """The answer is lost in the middle of the restore; nothing is settled before the names are set back."""
    moodle.faults.set(fault, count=1, **parameters)
    job = submit()
    with moodle.held_at("hidden", "renamed", "content"):
        assert run_worker(job).state == State.CHECKING
        moodle.wait_for_step("hidden")
        assert look(job, clock).state == State.CHECKING
        assert job.restore_at is None, "the row under the requested names is not looked for"
        moodle.gates.release("hidden")
        moodle.wait_for_step("renamed")
        for _ in range(2):
            assert look(job, clock).state == State.CHECKING
        assert job.restore_at is not None
        assert job.likely_course_id == moodle.made()[0].id
        moodle.gates.release("renamed")
        moodle.wait_for_step("content")
        await_until(lambda: look(job, clock).content_at, "the contents to be seen")
        assert job.state == State.CHECKING
    moodle.wait_for_copies()
    is_the_copy(look_until_settled(job, clock), moodle)
    assert moodle.calls.watched["new-1"] == 0


def test_answer_that_names_another_course_than_the_one_seen_is_not_believed(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    """Both carry the requested short name; one of them was seen under the temporary name after sending."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    job = submit()
    other = moodle.add("OTHER")

    def show_a_whole_restore() -> None:
        ours = moodle.add("AT&T_1", fullname="AT&T copy 1")
        until_seen(DuplicationJob.objects.get(pk=job.pk))
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
    assert f"Moodle's answer names course {other.id}, where {job.course_id} was seen" in reason(job, "checking")


@pytest.mark.parametrize("cancelled", [False, True])
def test_course_that_the_answer_names_is_the_copy(moodle: Moodle, clock: Clock, cancelled: bool) -> None:
    """While it was restored, under its temporary name, a person made a course with all the requested names."""
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        moodle.wait_for_step("renamed")
        (ours,) = moodle.made()
        persons = moodle.add("NEW-1", fullname=job.fullname, visible=0, sections=moodle.state.new_sections(4))
        if cancelled:
            jobs.cancel(DuplicationJob.objects.get(pk=job.pk), actor=None)
        moodle.gates.release()
    look_until_settled(job, clock)
    assert moodle.by_id(persons.id) is not None
    assert (job.state, job.course_id) == (State.CANCELLED if cancelled else State.SUCCEEDED, ours.id)


@pytest.mark.parametrize("cancelled", [False, True])
def test_it_does_not_take_a_course_with_another_name_for_its_own(
    moodle: Moodle, clock: Clock, settings: Any, cancelled: bool
) -> None:
    """A person took the short name between looking and sending, in the same category, for a course not yet shown."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    job = submit()
    moodle.when(
        "core_course_duplicate_course",
        lambda: moodle.add("NEW-1", fullname="Their own", visible=0, sections=moodle.state.new_sections(4)),
    )
    run_worker(job)
    if cancelled and job.state == State.CHECKING:
        jobs.cancel(job, actor=None)
        look_until_settled(job, clock)
    assert (job.state, job.failure_code, job.course_id) == (State.FAILED, "shortnametaken", None)
    assert len(moodle.named("NEW-1")) == 1


def test_it_looks_in_vain_for_a_request_that_moodle_never_saw(moodle: Moodle, clock: Clock) -> None:
    """Nothing was started, and nothing proves it: the job is told from both, and never sent again."""
    moodle.faults.set("reset_before", count=1)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    sent_again_in_vain(job)
    look_until_settled(job, clock)
    assert job.state == State.UNRESOLVED
    assert "no proof that it was made, none that it was not" in reason(job, "unresolved")
    assert "No course that could be it was seen" in reason(job, "unresolved")
    assert job.candidates == []
    sent_again_in_vain(job)
    assert moodle.calls.asked["new-1"] == 0


@pytest.mark.parametrize("answer", ["bad_gateway", "reset", "empty"])
def test_it_is_unresolved_when_php_is_killed_in_the_backup(moodle: Moodle, clock: Clock, answer: str) -> None:
    moodle.faults.set("killed_in_backup", answer=answer, count=1)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert look_until_settled(job, clock).state == State.UNRESOLVED
    assert moodle.made() == []


@pytest.mark.parametrize("answer", ["bad_gateway", "reset", "empty"])
def test_shell_of_a_killed_process_is_a_proven_partial_course(moodle: Moodle, clock: Clock, answer: str) -> None:
    """It carries the requested names, long after its course was due."""
    moodle.faults.set("killed_in_restore", step="hidden", answer=answer, count=1)
    job = look_until_settled(run_worker(submit()), clock)
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
    """It never gets the requested names, and may as well be somebody's own restore."""
    settings.WATCH_INTERVAL = settings.WATCH_INTERVAL if seen_in_time else 3600
    moodle.faults.set("killed_in_restore", step=step, answer=answer, count=1)
    job = run_proven(moodle) if seen_in_time and step == "renamed" else run_worker(submit())
    look_until_settled(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code) == (State.FAILED, "likely_partial_course")
    assert (job.course_id, job.proof, job.likely_course_id) == (None, Proof.NONE, partial.id)
    assert [candidate["id"] for candidate in job.candidates] == [partial.id]
    assert (job.left_partial_course, job.may_have_left_course) == (False, True)
    assert f"id {partial.id}. That is no proof" in reason(job, "failed")
    assert job.events.get(kind="failed").data["candidates"] == [partial.id]


def test_finished_copy_is_found_beside_a_person_s_restore(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """The answer was lost, and the only course under a temporary name is somebody else's, which stands still."""
    settings.WATCH_INTERVAL = 3600
    job = submit()
    moodle.faults.set("reset_after", count=1)
    run_worker(job)
    persons = moodle.add("AT&T_2", fullname="AT&T copy 2", sections=moodle.course("AT&T").sections)
    look_until_settled(job, clock)
    is_the_copy(job, moodle)
    assert job.course_id != persons.id


def test_job_fails_soon_when_moodle_says_that_the_restore_broke(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = run_proven(moodle)
    job.refresh_from_db()
    assert job.state == State.CHECKING
    assert job.moodle_done_at is not None, "its slot is free"
    assert reason(job, "checking").startswith("Moodle answered with an error, which does not say what it left behind: ")
    assert "error/cannotrestore" in reason(job, "checking")
    look_until_settled(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.likely_course_id) == (State.FAILED, "cannotrestore", partial.id)
    assert job.checks <= 5, "Moodle is through with it: there is nothing to wait for"


def test_error_without_a_code_ends_the_request(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="none", count=1)
    job = run_proven(moodle)
    look_until_settled(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.likely_course_id) == (State.FAILED, "error", partial.id)


def test_it_names_what_an_error_may_have_left_where_nothing_is_proven(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("exception_in_restore", step="renamed", count=1)
    job = look_until_settled(run_worker(submit()), clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.course_id) == (State.FAILED, "cannotrestore", None)
    assert "looks in Moodle at what may be left of it" in reason(job, "failed")
    assert f"id {partial.id}" in reason(job, "failed")
    assert (job.left_partial_course, job.may_have_left_course) == (False, True)


def test_it_waits_for_a_slow_copy_and_looks_a_few_times_only(moodle: Moodle) -> None:
    moodle.faults.set("slow", factor=10)
    is_the_copy(run_worker(submit()), moodle)


def test_it_survives_slow_reads(moodle: Moodle) -> None:
    moodle.faults.set("slow", function="*", factor=2)
    is_the_copy(run_worker(submit()), moodle)


def test_it_is_looked_up_when_a_copy_outlasts_the_time_allowed(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_DUPLICATION_TIMEOUT = 0.3
    job = submit()
    with moodle.held_at("backup"):
        run_worker(job)
        assert job.state == State.CHECKING
        assert "no complete answer within 0.3 seconds" in reason(job, "checking")
        assert look(job, clock).state == State.CHECKING
    moodle.wait_for_copies()
    is_the_copy(look_until_settled(job, clock), moodle)


@pytest.mark.parametrize("step", ["backup", "renamed"])
def test_job_is_not_held_for_ever_by_a_copy_that_stands_still(
    moodle: Moodle, clock: Clock, settings: Any, step: str
) -> None:
    settings.MOODLE_DUPLICATION_TIMEOUT = 0.5
    moodle.faults.set("stall", step=step, count=1)
    job = submit()
    with working_on(job):
        if step != "backup":
            until_seen(job)
    look_until_settled(job, clock)
    if step == "backup":
        assert job.state == State.UNRESOLVED
    else:
        (partial,) = moodle.made()
        assert (job.state, job.likely_course_id) == (State.FAILED, partial.id)


def test_it_tells_its_own_copy_from_a_person_s_restore_of_the_same_source(moodle: Moodle) -> None:
    moodle.faults.set("persons_restore", count=1)
    job = run_worker(submit())
    moodle.wait_for_copies()
    is_the_copy(job, moodle)
    (other,) = [course for course in moodle.state.courses() if course.origin == "person"]
    assert job.course_id != other.id


def test_person_s_restore_stays_a_candidate_when_the_answer_is_lost(moodle: Moodle, clock: Clock) -> None:
    """Nothing of ours was made; a course named after the source appeared. Nothing proves whose it is."""
    moodle.faults.set("persons_restore", count=1)
    moodle.faults.set("killed_in_backup", count=1)
    job = run_worker(submit())
    moodle.wait_for_copies()
    look_until_settled(job, clock)
    (other,) = [course for course in moodle.state.courses() if course.origin == "person"]
    assert (job.state, job.failure_code) == (State.FAILED, "likely_partial_course")
    assert job.course_id is None
    assert [candidate["id"] for candidate in job.candidates] == [other.id]
    assert moodle.by_id(other.id) is not None


WRONG_READS = ["wrong_course", "html", "empty", "truncated", "reset_after", "bad_gateway"]


@pytest.mark.parametrize("fault", WRONG_READS)
def test_it_is_not_misled_by_looks_that_go_wrong(moodle: Moodle, fault: str) -> None:
    """While the copy runs, one read in three answers rubbish, or for another course."""
    job = submit()
    with moodle.held_at("backup", "renamed"), working_on(job):
        moodle.wait_for_step("backup")
        moodle.faults.set(fault, function="core_course_get_courses_by_field", probability=0.33)
        moodle.gates.release("backup")
        until_seen(job)
        moodle.gates.release()
        moodle.wait_for_copies()
        moodle.faults.clear()
    job.refresh_from_db()
    assert job.state in (State.SUCCEEDED, State.CHECKING)
    if job.state == State.SUCCEEDED:
        is_the_copy(job, moodle)


def test_shell_is_no_copy_because_of_some_wrong_answers(moodle: Moodle, clock: Clock) -> None:
    """The row that a restore begins with carries the requested names; the contents that come are another course's."""
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = run_worker(submit())
    moodle.faults.set("wrong_course", function="core_course_get_contents", count=2)
    look_until_settled(job, clock)
    assert (job.state, job.left_partial_course) == (State.FAILED, True), story(job)


def test_it_does_not_believe_wrong_contents_while_the_copy_begins(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.faults.set("wrong_course", function="core_course_get_contents")
    with moodle.held_at("renamed"), working_on(job):
        until_seen(job)
        struck = moodle.faults.struck["wrong_course"]
        await_until(lambda: moodle.faults.struck["wrong_course"] > struck + 10, "some looks to go wrong")
        job.refresh_from_db()
        assert job.state == State.RUNNING
        moodle.faults.clear()
        moodle.gates.release()
    is_the_copy(look_until_settled(job, clock), moodle)


@pytest.mark.parametrize("fault", WRONG_READS)
def test_it_sends_nothing_while_it_cannot_look(moodle: Moodle, fault: str) -> None:
    """The baseline must be trustworthy: a read that goes wrong before sending means later, not blindly."""
    job = submit()
    moodle.faults.set(fault, function="core_course_get_courses_by_field")
    run_worker(job)
    assert job.state == State.QUEUED
    assert job.retry_at is not None
    assert "sent" not in kinds(job)
    assert moodle.calls.asked["new-1"] == 0
    moodle.faults.clear()
    told_again_at_once(job)
    is_the_copy(run_worker(job), moodle)
