"""Tests a request that a proxy sends twice: dupdash gets the answer to the other request."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import (
    Background,
    Clock,
    Moodle,
    check_until_ended,
    dispatch_again,
    reason,
    refusal,
    run_worker,
    send_directly,
    submit,
    timeline_of,
    wait_until_course_is_seen,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"


def send_same_request_again(
    moodle: Moodle, job: DuplicationJob, *, watched: bool
) -> tuple[Background, Callable[[], None]]:
    """Send the same request again when the request of this job arrives, so that its copy comes first.

    When dupdash gets the answer, this copy is in the hidden step. ``watched``: it has its temporary name by then, and
    the worker has seen it.
    """
    step = "renamed" if watched else "hidden"
    moodle.may_be_sent_twice.add("new-1")
    moodle.gates.hold(step)
    twin = Background(lambda: send_directly(job))

    def arrive_first() -> None:
        twin.start()
        moodle.wait_for_step(step)
        if watched:
            wait_until_course_is_seen(DuplicationJob.objects.get(pk=job.pk))
        connection.close()

    return twin, arrive_first


def test_job_is_checked_when_its_own_copy_took_the_name(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """A job is checked if a proxy sent its request twice and Moodle then refuses the name that its own copy has."""
    settings.WATCH_INTERVAL = 3600
    job = submit()
    twin, arrive_first = send_same_request_again(moodle, job, watched=False)
    moodle.when(COPY, arrive_first)
    run_worker(job)
    assert job.state == State.CHECKING
    assert "own copy" in reason(job, "checking")
    moodle.gates.release()
    twin.finish()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert job.course_id == moodle.course("NEW-1").id
    assert len(moodle.made()) == 1


def test_duplicate_delivery_that_collides_makes_one_copy(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """If a proxy sends a request twice and one of them collides, the other one makes the only copy."""
    settings.WATCH_INTERVAL = 0.005
    job = submit()
    twin, arrive_first = send_same_request_again(moodle, job, watched=True)
    moodle.answer_with(COPY, refusal("storedfilenotcreated"), after=arrive_first)
    run_worker(job)
    assert job.state == State.QUEUED, timeline_of(job)
    moodle.gates.release()
    twin.finish()
    dispatch_again(job)
    run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "shortnametaken")
    assert len(moodle.made()) == 1
