"""Tests answers that say "nothing was started" although Moodle has a new course: from a proxy or from a restore.

In these tests no lookup is made before the answer, so there is no proof which job made the course.
"""

from typing import Any

import pytest

from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_until_ended,
    dispatch_again,
    reason,
    run_worker,
    send_directly,
    submit,
    timeline_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

COPY = "core_course_duplicate_course"


@pytest.fixture(autouse=True)
def _no_lookups(settings: Any, moodle: Moodle) -> None:
    settings.WATCH_INTERVAL = 3600


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_copy_succeeds_when_a_proxy_replaced_the_answer(moodle: Moodle, clock: Clock, status: int) -> None:
    job = submit()

    def made() -> None:
        await_until(lambda: any(course.complete for course in moodle.made()), "the copy to be made")

    moodle.replace_answer(COPY, status, sent_by=lambda: send_directly(job), until=made)
    run_worker(job)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert [course.id for course in moodle.made()] == [job.course_id]


def test_request_is_not_resent_when_a_proxy_refused_it(moodle: Moodle, clock: Clock) -> None:
    job = submit()

    def restoring() -> None:
        moodle.wait_for_step("renamed")

    with moodle.held_at("renamed"):
        moodle.replace_answer(COPY, 403, sent_by=lambda: send_directly(job), until=restoring)
        run_worker(job)
        assert job.state == State.CHECKING, timeline_of(job)
        dispatch_again(job)
        assert run_worker(job).state == State.CHECKING
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert [course.id for course in moodle.made()] == [job.course_id]


@pytest.mark.parametrize("code", ["nopermissions", "invalidparameter", "invalidrecord"])
def test_partial_course_is_named_when_a_restore_error_looks_like_a_refusal(
    moodle: Moodle, clock: Clock, code: str
) -> None:
    """A partial course is named if a restore fails with an error code that usually means a refusal."""
    moodle.faults.set("exception_in_restore", step="renamed", errorcode=code, count=1)
    job = check_until_ended(run_worker(submit()), clock)
    (left,) = moodle.made()
    assert (job.state, job.failure_code) == (State.FAILED, code)
    assert f"id {left.id}" in reason(job, "failed")
    assert [candidate["id"] for candidate in job.candidates] == [left.id]
    assert "Nothing was started" not in timeline_of(job)


def test_course_that_appeared_during_a_collision_is_named(moodle: Moodle) -> None:
    """A course that appeared during a collision is named, because the same error can also come during a restore."""
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="storedfilenotcreated", count=1)
    moodle.may_be_sent_twice.add("new-1")
    job = run_worker(submit())
    (appeared,) = moodle.made()
    assert job.state == State.QUEUED
    assert f"A course administrator should check it in Moodle: id {appeared.id}." in reason(job, "again_later")
    dispatch_again(job)
    assert run_worker(job).state == State.SUCCEEDED


def test_seen_course_changes_the_explanation(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="nopermissions", count=1)
    job = check_until_ended(run_worker(submit()), clock)
    assert "Nothing was started" not in explain_failure(job).means
    assert "may not copy this course" in explain_failure(job).happened
