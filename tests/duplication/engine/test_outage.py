"""Tests outages of Moodle: dispatch pauses, jobs lose no attempts and no checking time, and everything resumes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.signals import post_save
from django.utils import timezone

from dupdash.duplication import moodle_health, tasks
from dupdash.duplication.engine import deadlines
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    run_worker,
    submit,
    timeline_of,
)

BY_FIELD = "core_course_get_courses_by_field"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def take_down(moodle: Moodle, answer: str) -> None:
    if answer == "refused":
        moodle.faults.set("refuse", seconds=3600)
    else:
        moodle.faults.set("site_down", answer=answer)


def a_day_of_sweeps(clock: Clock) -> None:
    """Run sweeps and workers for a simulated day, in which a job would use up all its attempts."""
    for _ in range(24):
        clock.forward(3600)
        tasks.sweep()
        for job in DuplicationJob.objects.filter(state=State.QUEUED, dispatched_at__isnull=False):
            run_worker(job)


@pytest.mark.parametrize(
    ("answer", "is_outage", "message"),
    [
        ("refused", True, "refused the connection"),
        ("unavailable", True, "“503 Service Temporarily Unavailable”"),
        ("bad_gateway", True, "“502 Bad Gateway”"),
        ("page", True, "“The site is undergoing maintenance”"),
        ("limited", True, "HTTP 429"),
        ("upgrade", False, "Site is being upgraded"),
        ("blocked", False, "“Just a moment…”"),
    ],
)
def test_queue_survives_an_outage_of_a_day(
    moodle: Moodle, clock: Clock, answer: str, is_outage: bool, message: str
) -> None:
    jobs = [submit("AT&T", "NEW-1"), submit("5>3", "NEW-2")]
    take_down(moodle, answer)
    for job in jobs:
        run_worker(job)
    health = MoodleHealth.current()
    assert health.paused_at is not None
    assert health.is_outage is is_outage
    assert message in health.fault_message
    assert health.advice
    a_day_of_sweeps(clock)
    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.attempts) == (State.QUEUED, 0), timeline_of(job)
    moodle.faults.clear()
    clock.forward(3600)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is None
    for job in jobs:
        dispatch_again(job)
        assert run_worker(job).state == State.SUCCEEDED, timeline_of(job)


def test_unsent_request_returns_to_the_queue_without_an_attempt(moodle: Moodle, clock: Clock) -> None:
    """A job returns to the queue without using up an attempt if the connection for its request is refused."""
    job = submit()

    def refuse(instance: JobEvent, **_: Any) -> None:
        if instance.kind == "sent":
            moodle.faults.set("refuse", seconds=3600)

    post_save.connect(refuse, JobEvent)
    try:
        run_worker(job)
    finally:
        post_save.disconnect(refuse, JobEvent)
    assert job.state == State.QUEUED
    assert kinds(job)[-2:] == ["sent", "site_down"]
    assert (job.sent_at, job.attempts) == (None, 0)
    assert "Nothing was started" in reason(job, "site_down")
    moodle.faults.clear()
    clock.forward(60)
    tasks.sweep()
    assert run_worker(job).state == State.SUCCEEDED


@pytest.mark.parametrize("answer", ["unavailable", "bad_gateway", "page"])
def test_copy_request_that_a_proxy_answered_is_never_sent_again(moodle: Moodle, clock: Clock, answer: str) -> None:
    moodle.faults.set("site_down", answer=answer, function="core_course_duplicate_course", count=1)
    job = run_worker(submit())
    assert job.state == State.CHECKING
    assert check_until_ended(job, clock).state == State.UNRESOLVED
    assert moodle.calls.asked == {}


def test_fault_of_one_job_ends_that_job_while_others_are_copied(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A job fails if only this job runs into a fault while others succeed, such as a firewall that blocks its name."""
    settings.RETRY_ATTEMPTS = 3
    job, other = submit("AT&T", "SELECT-1"), submit("5>3", "NEW-2")
    for _ in range(20):
        moodle.answer_page(BY_FIELD, 502, "Blocked", about="SELECT-1")
    for _ in range(3):
        dispatch_again(job)
        run_worker(job)
        assert MoodleHealth.current().paused_at is None
    assert (job.state, job.attempts) == (State.FAILED, 3), timeline_of(job)
    assert "“Blocked”" in job.failure_message
    assert run_worker(other).state == State.SUCCEEDED


def test_outage_does_not_shorten_the_checking(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 600
    moodle.faults.set("killed_in_backup", count=1)
    job = run_worker(submit())
    deadline = deadlines.checking_deadline(job)
    take_down(moodle, "unavailable")
    check_next(job, clock)
    paused_at = MoodleHealth.current().paused_at
    assert paused_at is not None
    for _ in range(10):
        clock.forward(600)
        tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.CHECKING
    moodle.faults.clear()
    clock.forward(600)
    tasks.sweep()
    job.refresh_from_db()
    assert job.state == State.CHECKING, timeline_of(job)
    outage = timezone.now() - paused_at
    assert deadlines.checking_deadline(job) - deadline >= outage - timedelta(seconds=5)
    assert check_until_ended(job, clock).state == State.UNRESOLVED


def test_nothing_is_looked_up_while_the_site_is_down(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("killed_in_backup", count=1)
    job = run_worker(submit())
    take_down(moodle, "unavailable")
    check_next(job, clock)
    checks = job.checks
    for _ in range(3):
        clock.forward(1)
        tasks.sweep()
    job.refresh_from_db()
    assert job.checks == checks


def test_lookup_that_fails_while_the_site_answers_does_not_pause(moodle: Moodle, clock: Clock) -> None:
    """A lookup that fails for one course does not pause dispatch while the site answers other calls."""
    moodle.faults.set("killed_in_backup", count=1)
    job = run_worker(submit())
    moodle.faults.set("html", function=BY_FIELD)
    check_next(job, clock)
    assert MoodleHealth.current().paused_at is None


def test_probe_waits_as_long_as_the_site_wants(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    take_down(moodle, "limited")
    run_worker(job)
    health = MoodleHealth.current()
    assert health.probe_at is not None
    assert health.probe_at - timezone.now() > timedelta(seconds=110)
    moodle.faults.clear()
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is not None
    clock.forward(61)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is None


def test_banner_changes_when_the_outage_turns_into_a_fault(moodle: Moodle, clock: Clock) -> None:
    job = submit()
    take_down(moodle, "unavailable")
    run_worker(job)
    assert moodle_health.is_down()
    moodle.faults.clear()
    moodle.switches.tokens_revoked = True
    clock.forward(60)
    tasks.sweep()
    assert not moodle_health.is_down()
    assert MoodleHealth.current().fault_code == "invalidtoken"
