"""Each error code of Moodle, through the engine: what becomes of the job, and what it says."""

from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.engine import run
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Proof
from dupdash.duplication.states import State
from dupdash.sandbox.accounts import MANAGER_TOKEN, token_of
from dupdash.sandbox.seed import FACULTY_ID
from tests.duplication.support import (
    Clock,
    Moodle,
    a_job,
    kinds,
    look,
    look_until_settled,
    reason,
    run_proven,
    run_worker,
    story,
    submit,
    told_again_at_once,
)

COPY = "core_course_duplicate_course"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]


def test_it_copies_a_course_where_nothing_goes_wrong(moodle: Moodle) -> None:
    job = run_worker(submit("AT&T", "NEW-1", fullname="Talk & more"))
    copy = moodle.course("NEW-1")
    assert (job.state, job.course_id) == (State.SUCCEEDED, copy.id)
    assert (copy.fullname, copy.complete, copy.visible) == ("Talk & more", True, 1)
    assert kinds(job)[:3] == ["submitted", "started", "sent"]
    assert kinds(job)[-1] == "succeeded"
    assert reason(job, "succeeded") == f"The copy is complete: course {copy.id}."
    assert job.verification is not None
    assert job.verification["complete"]
    assert job.proof in (Proof.SEEN, Proof.ANSWERED)


def test_it_asks_for_a_hidden_copy_and_gets_one(moodle: Moodle) -> None:
    run_worker(submit("AT&T", "NEW-1", visible=False))
    assert moodle.course("NEW-1").visible == 0


# --- faults of configuration -------------------------------------------------------------------------------


def waits_for_the_administrator(job: DuplicationJob, code: str) -> MoodleHealth:
    """Nothing failed: the job is queued, nothing is given out, and the banner says why and what to do."""
    job.refresh_from_db()
    assert job.state == State.QUEUED
    assert (job.sent_at, job.dispatched_at, job.attempts) == (None, None, 0)
    assert reason(job, "paused").startswith("Nothing was started: ")
    assert "waits until this is fixed" in reason(job, "paused")
    health = MoodleHealth.current()
    assert health.paused_at is not None
    assert health.fault_code == code
    assert health.advice
    tasks.dispatch.dispatch()
    job.refresh_from_db()
    assert job.dispatched_at is None
    return health


def goes_on_by_itself(job: DuplicationJob, moodle: Moodle, clock: Clock) -> None:
    """Housekeeping finds the fault mended, and the job runs without anybody's doing."""
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is None
    job.refresh_from_db()
    assert job.dispatched_at is not None
    assert run_worker(job).state == State.SUCCEEDED
    assert moodle.course(job.shortname).complete


def test_it_pauses_on_an_invalid_token_and_goes_on_when_it_is_valid_again(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.tokens_revoked = True
    run_worker(job)
    health = waits_for_the_administrator(job, "invalidtoken")
    assert "MOODLE_TOKEN" in health.advice
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is not None, "the token is still invalid"
    moodle.switches.tokens_revoked = False
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_where_the_service_lacks_the_function(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.withdrawn = frozenset({"core_course_duplicate_course"})
    run_worker(job)
    health = waits_for_the_administrator(job, "accessexception")
    assert "core_course_duplicate_course" in health.fault_message
    assert "External services" in health.advice
    moodle.switches.withdrawn = frozenset()
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_when_moodle_refuses_the_very_call(moodle: Moodle, clock: Clock) -> None:
    """The site info still listed the function; the answer is proof that nothing started, and "sent" is withdrawn."""
    job = submit()
    moodle.faults.set("forbidden", count=1)
    run_worker(job)
    waits_for_the_administrator(job, "")
    assert "sent" in kinds(job)
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_while_the_site_is_in_maintenance(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_TOKEN = MANAGER_TOKEN
    job = submit()
    moodle.switches.maintenance = True
    run_worker(job)
    waits_for_the_administrator(job, "sitemaintenance")
    moodle.switches.maintenance = False
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_while_web_services_are_off(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.webservices = False
    run_worker(job)
    health = waits_for_the_administrator(job, "")
    assert "403" in health.fault_message
    assert "enable web services" in health.advice
    moodle.switches.webservices = True
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_without_a_moodle(settings: Any, clock: Clock) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    job = a_job(State.QUEUED)
    told_again_at_once(job)
    run_worker(job)
    assert "MOODLE_URL" in waits_for_the_administrator(job, "").advice


def test_it_withdraws_what_workers_were_told_of_when_it_pauses(moodle: Moodle, clock: Clock) -> None:
    """Whoever gets the second one's message now gets it in vain."""
    first, second = submit("AT&T", "NEW-1"), submit("5>3", "NEW-2")
    moodle.switches.tokens_revoked = True
    run_worker(first)
    second.refresh_from_db()
    assert second.dispatched_at is None
    before = kinds(second)
    assert run_worker(second).state == State.QUEUED
    assert kinds(second) == before
    moodle.switches.tokens_revoked = False
    goes_on_by_itself(first, moodle, clock)
    second.refresh_from_db()
    assert second.dispatched_at is not None


def test_it_does_not_go_on_because_the_site_info_alone_is_answered(moodle: Moodle, clock: Clock) -> None:
    """A site in maintenance answers that to some accounts, and refuses everything else."""
    job = submit()
    moodle.faults.set("forbidden", count=1)
    run_worker(job)
    moodle.answer_once("core_course_get_categories", "sitemaintenance", "The site is undergoing maintenance.")
    clock.forward(60)
    tasks.sweep()
    assert waits_for_the_administrator(job, "sitemaintenance").paused_at is not None
    goes_on_by_itself(job, moodle, clock)


def a_round(clock: Clock, seconds: float = 31) -> None:
    """Time goes by, housekeeping does what is due, and the workers what they were told."""
    clock.forward(seconds)
    tasks.sweep()
    for job in DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__isnull=False):
        run_worker(job)


def a_firewall_against(shortname: str, moodle: Moodle) -> None:
    for _ in range(20):
        moodle.when(COPY, lambda: moodle.faults.set("forbidden", count=1), about=shortname)


def test_it_lets_others_pass_when_one_job_alone_meets_a_fault_every_time(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    """A firewall that does not like its name: the first in line must not keep everybody from being served."""
    settings.MOODLE_CONCURRENCY = 1
    a_firewall_against("SELECT-1", moodle)
    first, other = submit("AT&T", "SELECT-1"), submit("5>3", "NEW-2")
    for _ in range(2):
        a_round(clock)
    other.refresh_from_db()
    assert other.state == State.SUCCEEDED
    first.refresh_from_db()
    assert first.state == State.QUEUED
    for _ in range(14):
        a_round(clock, settings.RETRY_LONGEST + 1)
    first.refresh_from_db()
    assert first.state == State.FAILED
    # The first one does not count: nobody's copy had been made by then.
    assert kinds(first).count("paused") == settings.RETRY_ATTEMPTS
    assert "This was so 9 times, while other copies were made." in reason(first, "failed")
    assert MoodleHealth.current().paused_at is None


def test_it_does_not_fail_however_long_a_site_is_misconfigured(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """The probe cannot see it, and everybody meets it: no job's own fault."""
    settings.RETRY_ATTEMPTS = 2
    settings.MOODLE_CONCURRENCY = 1
    earlier = run_worker(submit("AT&T", "NEW-0"))
    assert earlier.state == State.SUCCEEDED
    moodle.faults.set("forbidden")
    both = [submit("AT&T", "NEW-1"), submit("5>3", "NEW-2")]
    for _ in range(16):
        a_round(clock, 200)
    for job in both:
        job.refresh_from_db()
        assert job.state == State.QUEUED
        assert kinds(job).count("paused") > 2
    moodle.faults.clear()
    for _ in range(2):
        a_round(clock, settings.RETRY_LONGEST + 1)
    for job in both:
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED


def test_it_probes_in_time_however_often_the_fault_is_met(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Each look at a lost answer meets it, too."""
    settings.CHECK_LONGEST = settings.PROBE_INTERVAL / 3
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("reset_after", count=1)
    job = run_worker(submit())
    moodle.switches.tokens_revoked = True
    look(job, clock)
    due = MoodleHealth.current().probe_at
    assert due is not None
    look(job, clock)
    look(job, clock)
    assert job.checks == 3
    assert MoodleHealth.current().probe_at == due


# --- refused for good, before anything started --------------------------------------------------------------


def failed_with(job: DuplicationJob, code: str, moodle: Moodle) -> None:
    assert (job.state, job.failure_code) == (State.FAILED, code)
    assert job.failure_message
    assert job.course_id is None
    assert moodle.made() == []
    assert MoodleHealth.current().paused_at is None, "one bad request must not stop all others"


def direct(moodle: Moodle, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    """A job that no form would let through, told to the workers."""
    source = moodle.course("AT&T")
    given = {"source_id": source.id, "source_shortname": source.shortname, "source_fullname": source.fullname}
    job = a_job(State.QUEUED, shortname, **(given | columns))
    told_again_at_once(job)
    return job


def test_it_fails_when_the_source_was_deleted_meanwhile(moodle: Moodle) -> None:
    job = submit()
    moodle.state.delete(job.source_id)
    failed_with(run_worker(job), "invalidcourseid", moodle)
    assert moodle.calls.asked["new-1"] == 0


def test_it_fails_when_the_category_does_not_exist(moodle: Moodle) -> None:
    job = run_worker(direct(moodle, category_id=987654))
    failed_with(job, "invalidrecord", moodle)
    assert "course_categories" in job.failure_message


def test_it_does_not_take_an_unknown_function_for_a_missing_category(moodle: Moodle, clock: Clock) -> None:
    """Both are ``invalidrecord``; a function that the site does not know is a fault of configuration."""

    def vanish() -> None:
        moodle.switches.withdrawn = frozenset({COPY})

    job = submit()
    moodle.when("core_course_get_courses_by_field", vanish, about="AT&T_3")
    moodle.answer_once(COPY, "invalidrecord", "Can't find data record in database table external_functions.")
    run_worker(job)
    health = waits_for_the_administrator(job, "invalidrecord")
    assert COPY in health.fault_message
    moodle.switches.withdrawn = frozenset()
    goes_on_by_itself(job, moodle, clock)


def test_it_pauses_when_the_function_leaves_the_service_between_looking_and_sending(
    moodle: Moodle, clock: Clock
) -> None:
    def vanish() -> None:
        moodle.switches.withdrawn = frozenset({COPY})

    job = submit()
    moodle.when(COPY, vanish)
    run_worker(job)
    assert "External services" in waits_for_the_administrator(job, "accessexception").advice
    moodle.switches.withdrawn = frozenset()
    goes_on_by_itself(job, moodle, clock)


def test_it_fails_when_the_short_name_was_taken_while_it_waited(moodle: Moodle) -> None:
    job = submit()
    moodle.add("new-1", fullname="Somebody else's")
    failed_with(run_worker(job), "shortnametaken", moodle)
    assert reason(job, "failed").endswith("Another course has the short name by now.")
    assert "Somebody else's" not in story(job), "whose that is may be none of the requester's business"
    assert "Somebody else's" in job.failure_message
    assert moodle.calls.asked["new-1"] == 0


def test_it_fails_when_the_short_name_is_taken_between_looking_and_sending(moodle: Moodle) -> None:
    job = submit()
    moodle.when(COPY, lambda: moodle.add("NEW-1"))
    failed_with(run_worker(job), "shortnametaken", moodle)
    assert moodle.calls.asked["new-1"] == 1


@pytest.mark.parametrize("name", ["Tagged <b>name</b>", "a<b"])
def test_it_fails_for_a_name_with_tags(moodle: Moodle, name: str) -> None:
    failed_with(run_worker(direct(moodle, fullname=name)), "invalidparameter", moodle)


def test_it_fails_for_the_front_page(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.EMPTY_SHELL_CLEANUP = False
    front = moodle.by_id(1)
    assert front is not None
    job = run_worker(direct(moodle, source_id=1, source_shortname=front.shortname))
    # Moodle gives this code after its restore has begun: it is looked up what that left.
    look_until_settled(job, clock)
    assert (job.state, job.failure_code, job.left_partial_course) == (State.FAILED, "backupprecheckerrors", True)


def test_it_fails_where_the_account_may_not_enter_the_source(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_TOKEN = token_of(moodle.state.users[FACULTY_ID])
    source = next(course for course in moodle.state.courses()[1:] if FACULTY_ID not in course.teachers)
    moodle.change(source.id, visible=1)
    job = run_worker(direct(moodle, source_id=source.id, source_shortname=source.shortname))
    failed_with(job, "requireloginerror", moodle)


def test_it_fails_where_the_account_may_not_create_courses(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_TOKEN = token_of(moodle.state.users[FACULTY_ID])
    failed_with(run_worker(direct(moodle)), "nopermissions", moodle)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalidcourseid", "You are trying to use an invalid course ID"),
        ("requireloginerror", "Course or activity not accessible."),
        ("nopermissions", "Sorry, but you do not currently have permissions to do that (Create courses)."),
        ("invalidextparam", "Invalid external api parameter: users"),
        ("invalidparameter", "Invalid parameter value detected"),
    ],
)
def test_it_fails_with_the_words_of_the_answer(moodle: Moodle, code: str, message: str) -> None:
    job = submit()
    moodle.answer_once(COPY, code, message)
    failed_with(run_worker(job), code, moodle)
    assert job.failure_message == message
    assert reason(job, "failed") == f"Moodle will not make this copy: {message}"
    event = job.events.get(kind="failed")
    assert event.data == {"errorcode": code, "message": message, "debuginfo": ""}


# --- not proof of anything -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("dmlwriteexception", "Error writing to database"),
        ("invalidrecord", "Can't find data record in database table course_modules."),
        ("somethingnobodyknows", "Something nobody knows"),
        (None, "Call to a member function get_id() on null"),
    ],
)
def test_it_looks_after_any_other_code_and_then_fails_with_it(
    moodle: Moodle, clock: Clock, code: str | None, message: str
) -> None:
    job = submit()
    moodle.answer_once(COPY, code, message)
    assert run_worker(job).state == State.CHECKING
    assert message in reason(job, "checking")
    assert look_until_settled(job, clock).state == State.FAILED
    assert job.failure_code == (code or "error")
    assert job.checks >= 3
    assert job.course_id is None
    assert "no course is proven to come from this job" in reason(job, "failed")


@pytest.mark.parametrize("code", ["storedfilenotcreated", "nopermissions", "shortnametaken", "invalidrecord"])
def test_it_does_not_believe_that_nothing_started_when_its_course_was_seen(
    moodle: Moodle, clock: Clock, settings: Any, code: str
) -> None:
    """Codes that come before a copy begins, and in principle in its middle, too: the course is the better witness."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    settings.EMPTY_SHELL_CLEANUP = False
    moodle.faults.set("exception_in_restore", step="hidden", errorcode=code, count=1)
    job = run_proven(moodle)
    job.refresh_from_db()
    assert job.state == State.CHECKING
    look_until_settled(job, clock)
    (partial,) = moodle.made()
    assert job.state == State.FAILED
    assert job.left_partial_course
    assert job.course_id == partial.id
    assert f"id {partial.id}" in reason(job, "failed")


# --- nothing can have started: tried again ------------------------------------------------------------------


def test_it_tries_again_after_a_collision_with_growing_delays_up_to_a_limit(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("storedfilenotcreated")
    job = submit()
    delays = []
    for attempt in range(1, 9):
        assert run_worker(job).state == State.QUEUED, f"attempt {attempt}"
        assert job.sent_at is None, "withdrawn: Moodle said that nothing was created"
        assert job.retry_at is not None
        delays.append(round((job.retry_at - timezone.now()).total_seconds()))
        assert f"Attempt {attempt} started nothing: " in reason(job, "again_later")
        tasks.dispatch.dispatch()
        job.refresh_from_db()
        assert job.dispatched_at is None, "it is not time yet"
        clock.forward(delays[-1] + 1)
        tasks.dispatch.dispatch()
        job.refresh_from_db()
        assert job.dispatched_at is not None
    assert delays == [10, 30, 90, 270, 810, 1800, 1800, 1800]
    assert run_worker(job).state == State.FAILED
    assert (job.failure_code, job.attempts) == ("storedfilenotcreated", 9)
    assert "Tried 9 times" in job.failure_message
    assert kinds(job).count("sent") == moodle.calls.asked["new-1"] == 9
    assert moodle.made() == []


def test_it_succeeds_when_the_collision_is_over(moodle: Moodle) -> None:
    moodle.faults.set("storedfilenotcreated", count=2)
    job = run_worker(submit())
    told_again_at_once(job)
    run_worker(job)
    told_again_at_once(job)
    assert run_worker(job).state == State.SUCCEEDED
    assert job.attempts == 3
    assert moodle.calls.created["new-1"] == 1


def test_a_fault_of_the_whole_site_fails_nobody_when_it_comes_back_once(moodle: Moodle, settings: Any) -> None:
    """All met it while the site was misconfigured; it was mended, a copy was made, and it came back."""
    settings.MOODLE_CONCURRENCY = 1

    def meets_it(job: DuplicationJob) -> None:
        told_again_at_once(job)
        moodle.answer_once("core_course_duplicate_course", "accessexception", "Access control exception")
        assert run_worker(job).state == State.QUEUED, story(job)

    one, other = submit("AT&T", "A-1"), submit("5>3", "B-1")
    for _ in range(settings.RETRY_ATTEMPTS - 1):
        meets_it(one)
        meets_it(other)
    told_again_at_once(one)
    assert run_worker(one).state == State.SUCCEEDED, story(one)
    meets_it(other)


def test_it_fails_nobody_when_others_meet_the_fault_too_and_no_copy_is_made_any_more(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    """One copy was made after the first time; since then the whole site is misconfigured, which no probe can see."""
    settings.MOODLE_CONCURRENCY = 1
    moodle.faults.set("forbidden", count=1)
    one, other = submit("AT&T", "A-1"), submit("5>3", "B-1")
    run_worker(one)
    clock.forward(31)
    tasks.sweep()
    assert run_worker(other).state == State.SUCCEEDED
    third = submit("BIO101-2026S1", "C-1")
    moodle.faults.set("forbidden")
    for _ in range(24):
        a_round(clock, settings.RETRY_LONGEST + 31)
    for job in (one, third):
        job.refresh_from_db()
        assert job.state == State.QUEUED, reason(job, "failed")


def test_it_does_not_blame_moodle_for_a_fault_of_its_own(
    moodle: Moodle, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETRY_ATTEMPTS = 1

    def broken(*_: Any) -> None:
        raise RuntimeError("a fault of ours")

    job = submit()
    monkeypatch.setattr(run.synchronous, "duplicate", broken)
    run_worker(job)
    assert job.state == State.FAILED
    assert "Moodle could not be reached" not in explain(job.failure_code).happened
