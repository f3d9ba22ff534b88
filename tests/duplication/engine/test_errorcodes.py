"""Tests each error code of Moodle with the engine: the state of the job, and the message that it shows."""

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
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    run_proven,
    run_worker,
    submit,
    timeline_of,
)

COPY = "core_course_duplicate_course"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def test_course_is_copied(moodle: Moodle) -> None:
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


def test_hidden_copy_is_made_hidden(moodle: Moodle) -> None:
    run_worker(submit("AT&T", "NEW-1", visible=False))
    assert moodle.course("NEW-1").visible == 0


# --- Configuration faults ----------------------------------------------------------------------------------


def waits_for_the_administrator(job: DuplicationJob, code: str) -> MoodleHealth:
    """Assert that the job is queued, dispatch is paused, and the banner says why and what to do."""
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


def assert_resumes_and_succeeds(job: DuplicationJob, moodle: Moodle, clock: Clock) -> None:
    """Let time pass after a fault was fixed, and assert that the job then succeeds."""
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is None
    job.refresh_from_db()
    assert job.dispatched_at is not None
    assert run_worker(job).state == State.SUCCEEDED
    assert moodle.course(job.shortname).complete


def test_invalid_token_pauses_until_it_is_valid_again(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.tokens_revoked = True
    run_worker(job)
    health = waits_for_the_administrator(job, "invalidtoken")
    assert "MOODLE_TOKEN" in health.advice
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is not None, "the token is still invalid"
    moodle.switches.tokens_revoked = False
    assert_resumes_and_succeeds(job, moodle, clock)


def test_missing_function_pauses_dispatch(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.withdrawn = frozenset({"core_course_duplicate_course"})
    run_worker(job)
    health = waits_for_the_administrator(job, "accessexception")
    assert "core_course_duplicate_course" in health.fault_message
    assert "External services" in health.advice
    assert "the service that dupdash’s token (MOODLE_TOKEN) belongs to" in health.advice
    moodle.switches.withdrawn = frozenset()
    assert_resumes_and_succeeds(job, moodle, clock)


def test_refused_function_pauses_dispatch(moodle: Moodle, clock: Clock) -> None:
    """Dispatch pauses if Moodle refuses the function, although the site info listed it. The job counts as not sent."""
    job = submit()
    moodle.faults.set("forbidden", count=1)
    run_worker(job)
    waits_for_the_administrator(job, "")
    assert "sent" in kinds(job)
    assert_resumes_and_succeeds(job, moodle, clock)


def test_maintenance_pauses_dispatch(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_TOKEN = MANAGER_TOKEN
    job = submit()
    moodle.switches.maintenance = True
    run_worker(job)
    waits_for_the_administrator(job, "sitemaintenance")
    moodle.switches.maintenance = False
    assert_resumes_and_succeeds(job, moodle, clock)


def test_disabled_web_services_pause_dispatch(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    moodle.switches.webservices = False
    run_worker(job)
    health = waits_for_the_administrator(job, "")
    assert "403" in health.fault_message
    assert "enable web services" in health.advice
    moodle.switches.webservices = True
    assert_resumes_and_succeeds(job, moodle, clock)


def test_dispatch_is_paused_without_a_configured_site(settings: Any, clock: Clock) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    job = a_job(State.QUEUED)
    dispatch_again(job)
    run_worker(job)
    assert "MOODLE_URL" in waits_for_the_administrator(job, "").advice


def test_pause_withdraws_dispatched_jobs(moodle: Moodle, clock: Clock) -> None:
    """A pause withdraws dispatched jobs: a worker that then gets such a message does not run the job."""
    first, second = submit("AT&T", "NEW-1"), submit("5>3", "NEW-2")
    moodle.switches.tokens_revoked = True
    run_worker(first)
    second.refresh_from_db()
    assert second.dispatched_at is None
    before = kinds(second)
    assert run_worker(second).state == State.QUEUED
    assert kinds(second) == before
    moodle.switches.tokens_revoked = False
    assert_resumes_and_succeeds(first, moodle, clock)
    second.refresh_from_db()
    assert second.dispatched_at is not None


def test_site_info_alone_does_not_end_the_pause(moodle: Moodle, clock: Clock) -> None:
    """A successful site info call does not end a pause, because a site in maintenance may still refuse other calls."""
    job = submit()
    moodle.faults.set("forbidden", count=1)
    run_worker(job)
    moodle.answer_once("core_course_get_categories", "sitemaintenance", "The site is undergoing maintenance.")
    clock.forward(60)
    tasks.sweep()
    assert waits_for_the_administrator(job, "sitemaintenance").paused_at is not None
    assert_resumes_and_succeeds(job, moodle, clock)


def pass_time_and_run(clock: Clock, seconds: float = 31) -> None:
    """Let time pass, make a sweep, and run the dispatched jobs."""
    clock.forward(seconds)
    tasks.sweep()
    for job in DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__isnull=False):
        run_worker(job)


def a_firewall_against(shortname: str, moodle: Moodle) -> None:
    for _ in range(20):
        moodle.when(COPY, lambda: moodle.faults.set("forbidden", count=1), about=shortname)


def test_other_jobs_pass_a_job_that_alone_meets_a_fault(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Other jobs run if only one job runs into a fault each time, such as a firewall that blocks its name."""
    settings.MOODLE_CONCURRENCY = 1
    a_firewall_against("SELECT-1", moodle)
    first, other = submit("AT&T", "SELECT-1"), submit("5>3", "NEW-2")
    for _ in range(2):
        pass_time_and_run(clock)
    other.refresh_from_db()
    assert other.state == State.SUCCEEDED
    first.refresh_from_db()
    assert first.state == State.QUEUED
    for _ in range(14):
        pass_time_and_run(clock, settings.RETRY_LONGEST + 1)
    first.refresh_from_db()
    assert first.state == State.FAILED
    # The first fault does not count, because no copy had been made by then.
    assert kinds(first).count("paused") == settings.RETRY_ATTEMPTS
    assert "This happened 9 times, while Moodle made other copies." in reason(first, "failed")
    assert MoodleHealth.current().paused_at is None


def test_job_does_not_fail_while_the_site_is_misconfigured(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A job does not fail from a configuration fault that all jobs meet, even if the probe does not detect it."""
    settings.RETRY_ATTEMPTS = 2
    settings.MOODLE_CONCURRENCY = 1
    earlier = run_worker(submit("AT&T", "NEW-0"))
    assert earlier.state == State.SUCCEEDED
    moodle.faults.set("forbidden")
    both = [submit("AT&T", "NEW-1"), submit("5>3", "NEW-2")]
    for _ in range(16):
        pass_time_and_run(clock, 200)
    for job in both:
        job.refresh_from_db()
        assert job.state == State.QUEUED
        assert kinds(job).count("paused") > 2
    moodle.faults.clear()
    for _ in range(2):
        pass_time_and_run(clock, settings.RETRY_LONGEST + 1)
    for job in both:
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED


def test_repeated_faults_do_not_postpone_the_probe(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Configuration faults during checks do not postpone the next probe."""
    settings.CHECK_LONGEST = settings.PROBE_INTERVAL / 3
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("reset_after", count=1)
    job = run_worker(submit())
    moodle.switches.tokens_revoked = True
    check_next(job, clock)
    due = MoodleHealth.current().probe_at
    assert due is not None
    check_next(job, clock)
    check_next(job, clock)
    assert job.checks == 3
    assert MoodleHealth.current().probe_at == due


# --- Permanent refusals before a copy was started -------------------------------------------------------------


def failed_with(job: DuplicationJob, code: str, moodle: Moodle) -> None:
    assert (job.state, job.failure_code) == (State.FAILED, code)
    assert job.failure_message
    assert job.course_id is None
    assert moodle.made() == []
    assert MoodleHealth.current().paused_at is None, "one bad request must not stop all others"


def direct(moodle: Moodle, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    """Create and dispatch a job directly in the database, for a request that the form would refuse."""
    source = moodle.course("AT&T")
    given = {"source_id": source.id, "source_shortname": source.shortname, "source_fullname": source.fullname}
    job = a_job(State.QUEUED, shortname, **(given | columns))
    dispatch_again(job)
    return job


def test_job_fails_when_its_source_was_deleted(moodle: Moodle) -> None:
    job = submit()
    moodle.state.delete(job.source_id)
    failed_with(run_worker(job), "invalidcourseid", moodle)
    assert moodle.calls.asked["new-1"] == 0


def test_job_fails_when_its_category_does_not_exist(moodle: Moodle) -> None:
    job = run_worker(direct(moodle, category_id=987654))
    failed_with(job, "invalidrecord", moodle)
    assert "course_categories" in job.failure_message


def test_unknown_function_is_no_missing_category(moodle: Moodle, clock: Clock) -> None:
    """An unknown function pauses dispatch and does not fail the job, although a missing category has the same code."""

    def vanish() -> None:
        moodle.switches.withdrawn = frozenset({COPY})

    job = submit()
    moodle.when("core_course_get_courses_by_field", vanish, about="AT&T_3")
    moodle.answer_once(COPY, "invalidrecord", "Can't find data record in database table external_functions.")
    run_worker(job)
    health = waits_for_the_administrator(job, "invalidrecord")
    assert COPY in health.fault_message
    moodle.switches.withdrawn = frozenset()
    assert_resumes_and_succeeds(job, moodle, clock)


def test_function_that_is_removed_before_sending_pauses_dispatch(moodle: Moodle, clock: Clock) -> None:
    def vanish() -> None:
        moodle.switches.withdrawn = frozenset({COPY})

    job = submit()
    moodle.when(COPY, vanish)
    run_worker(job)
    assert "External services" in waits_for_the_administrator(job, "accessexception").advice
    moodle.switches.withdrawn = frozenset()
    assert_resumes_and_succeeds(job, moodle, clock)


def test_job_fails_when_its_name_was_taken_while_it_waited(moodle: Moodle) -> None:
    job = submit()
    moodle.add("new-1", fullname="Somebody else's")
    failed_with(run_worker(job), "shortnametaken", moodle)
    assert reason(job, "failed").endswith("Another course has the short name now.")
    assert "Somebody else's" not in timeline_of(job), "whose that is may be none of the requester's business"
    assert "Somebody else's" in job.failure_message
    assert moodle.calls.asked["new-1"] == 0


def test_job_fails_when_its_name_is_taken_just_before_sending(moodle: Moodle) -> None:
    job = submit()
    moodle.when(COPY, lambda: moodle.add("NEW-1"))
    failed_with(run_worker(job), "shortnametaken", moodle)
    assert moodle.calls.asked["new-1"] == 1


@pytest.mark.parametrize("name", ["Tagged <b>name</b>", "a<b"])
def test_name_with_tags_fails_the_job(moodle: Moodle, name: str) -> None:
    failed_with(run_worker(direct(moodle, fullname=name)), "invalidparameter", moodle)


def test_front_page_as_source_fails_the_job(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.EMPTY_SHELL_CLEANUP = False
    front = moodle.by_id(1)
    assert front is not None
    job = run_worker(direct(moodle, source_id=1, source_shortname=front.shortname))
    # Moodle sends this code after the restore has begun, so dupdash looks up what the restore left.
    check_until_ended(job, clock)
    assert (job.state, job.failure_code, job.left_partial_course) == (State.FAILED, "backupprecheckerrors", True)


def test_job_fails_when_the_account_may_not_see_the_source(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_TOKEN = token_of(moodle.state.users[FACULTY_ID])
    source = next(course for course in moodle.state.courses()[1:] if FACULTY_ID not in course.teachers)
    moodle.change(source.id, visible=1)
    job = run_worker(direct(moodle, source_id=source.id, source_shortname=source.shortname))
    failed_with(job, "requireloginerror", moodle)


def test_job_fails_when_the_account_may_not_create_courses(moodle: Moodle, settings: Any) -> None:
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
def test_job_fails_with_moodles_message(moodle: Moodle, code: str, message: str) -> None:
    job = submit()
    moodle.answer_once(COPY, code, message)
    failed_with(run_worker(job), code, moodle)
    assert job.failure_message == message
    assert reason(job, "failed") == f"Moodle did not make this copy: {message}"
    event = job.events.get(kind="failed")
    assert event.data == {"errorcode": code, "message": message, "debuginfo": ""}


# --- Errors that prove nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("dmlwriteexception", "Error writing to database"),
        ("invalidrecord", "Can't find data record in database table course_modules."),
        ("somethingnobodyknows", "Something nobody knows"),
        (None, "Call to a member function get_id() on null"),
    ],
)
def test_unknown_code_is_checked_and_then_fails_the_job(
    moodle: Moodle, clock: Clock, code: str | None, message: str
) -> None:
    job = submit()
    moodle.answer_once(COPY, code, message)
    assert run_worker(job).state == State.CHECKING
    assert message in reason(job, "checking")
    assert check_until_ended(job, clock).state == State.FAILED
    assert job.failure_code == (code or "error")
    assert job.checks >= 3
    assert job.course_id is None
    assert "no course is proven to come from this job" in reason(job, "failed")


@pytest.mark.parametrize("code", ["storedfilenotcreated", "nopermissions", "shortnametaken", "invalidrecord"])
def test_nothing_started_is_not_trusted_when_a_course_was_seen(
    moodle: Moodle, clock: Clock, settings: Any, code: str
) -> None:
    """If a course was seen, an error code that usually means "nothing was started" is not trusted."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    settings.EMPTY_SHELL_CLEANUP = False
    moodle.faults.set("exception_in_restore", step="hidden", errorcode=code, count=1)
    job = run_proven(moodle)
    job.refresh_from_db()
    assert job.state == State.CHECKING
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert job.state == State.FAILED
    assert job.left_partial_course
    assert job.course_id == partial.id
    assert f"id {partial.id}" in reason(job, "failed")


# --- Errors after which the request is sent again -------------------------------------------------------------


def test_collision_is_retried_with_growing_delays_up_to_a_limit(moodle: Moodle, clock: Clock) -> None:
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
    assert "dupdash tried 9 times." in job.failure_message
    assert kinds(job).count("sent") == moodle.calls.asked["new-1"] == 9
    assert moodle.made() == []


def test_retry_succeeds_when_the_collision_is_over(moodle: Moodle) -> None:
    moodle.faults.set("storedfilenotcreated", count=2)
    job = run_worker(submit())
    dispatch_again(job)
    run_worker(job)
    dispatch_again(job)
    assert run_worker(job).state == State.SUCCEEDED
    assert job.attempts == 3
    assert moodle.calls.created["new-1"] == 1


def test_site_fault_that_returns_once_fails_no_job(moodle: Moodle, settings: Any) -> None:
    """A configuration fault of the site that comes back after a successful copy fails no job."""
    settings.MOODLE_CONCURRENCY = 1

    def meets_it(job: DuplicationJob) -> None:
        dispatch_again(job)
        moodle.answer_once("core_course_duplicate_course", "accessexception", "Access control exception")
        assert run_worker(job).state == State.QUEUED, timeline_of(job)

    one, other = submit("AT&T", "A-1"), submit("5>3", "B-1")
    for _ in range(settings.RETRY_ATTEMPTS - 1):
        meets_it(one)
        meets_it(other)
    dispatch_again(one)
    assert run_worker(one).state == State.SUCCEEDED, timeline_of(one)
    meets_it(other)


def test_fault_that_all_jobs_meet_fails_no_job(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A configuration fault that all jobs run into fails no job, even if the probe cannot detect it."""
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
        pass_time_and_run(clock, settings.RETRY_LONGEST + 31)
    for job in (one, third):
        job.refresh_from_db()
        assert job.state == State.QUEUED, reason(job, "failed")


def test_bug_in_dupdash_is_not_attributed_to_moodle(
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
