"""A request that something on the way sent twice: the answer to one of the two speaks of the other."""

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
    look_until_settled,
    reason,
    refusal,
    run_worker,
    send_by_hand,
    story,
    submit,
    told_again_at_once,
    until_seen,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

COPY = "core_course_duplicate_course"


def twin_of(moodle: Moodle, job: DuplicationJob, *, watched: bool) -> tuple[Background, Callable[[], None]]:
    """Somebody who sends the same request, and what makes them first: their copy stands in its hidden row by then.

    ``watched``: it has its temporary name by then, and was seen by the worker.
    """
    step = "renamed" if watched else "hidden"
    moodle.may_be_sent_twice.add("new-1")
    moodle.gates.hold(step)
    twin = Background(lambda: send_by_hand(job))

    def arrive_first() -> None:
        twin.start()
        moodle.wait_for_step(step)
        if watched:
            until_seen(DuplicationJob.objects.get(pk=job.pk))
        connection.close()

    return twin, arrive_first


def test_it_looks_when_its_own_copy_is_what_took_the_short_name(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """The second answer came first."""
    settings.WATCH_INTERVAL = 3600
    job = submit()
    twin, arrive_first = twin_of(moodle, job, watched=False)
    moodle.when(COPY, arrive_first)
    run_worker(job)
    assert job.state == State.CHECKING
    assert "our own copy is under way" in reason(job, "checking")
    moodle.gates.release()
    twin.finish()
    assert look_until_settled(job, clock).state == State.SUCCEEDED
    assert job.course_id == moodle.course("NEW-1").id
    assert len(moodle.made()) == 1


def test_job_makes_no_second_copy_when_its_request_collided_with_its_own_twin(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    """Moodle says that nothing was created by the one; the other one goes on."""
    settings.WATCH_INTERVAL = 0.005
    job = submit()
    twin, arrive_first = twin_of(moodle, job, watched=True)
    moodle.answer_with(COPY, refusal("storedfilenotcreated"), after=arrive_first)
    run_worker(job)
    assert job.state == State.QUEUED, story(job)
    moodle.gates.release()
    twin.finish()
    told_again_at_once(job)
    run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "shortnametaken")
    assert len(moodle.made()) == 1
