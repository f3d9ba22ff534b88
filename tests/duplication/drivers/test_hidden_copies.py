"""Tests copies that were requested hidden, which only their contents distinguish from an empty shell."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import Clock, Moodle, check_until_ended, run_worker, submit, timeline_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def job_with_unseen_copy(moodle: Moodle, settings: Any, **rest: Any) -> DuplicationJob:
    """Return a job in *checking*: Moodle made the copy, no lookup has shown it, and the answer was lost."""
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("reset_after", count=1)
    return run_worker(submit(visible=False, **rest))


@pytest.mark.parametrize("hours", [0, 4, 62])
@pytest.mark.parametrize("history", [False, True])
def test_hidden_copy_is_found_after_a_long_pause(
    moodle: Moodle, clock: Clock, settings: Any, hours: int, history: bool
) -> None:
    job = job_with_unseen_copy(moodle, settings)
    if history:
        DuplicationJob.objects.filter(pk=job.pk).update(expected_backup=30, expected_restore=30)
    clock.forward(hours * 3600)
    begun = timezone.now()
    assert check_until_ended(job, clock, unresolved_too=True).state == State.SUCCEEDED, timeline_of(job)
    assert timezone.now() - begun < timedelta(minutes=5)


@pytest.mark.parametrize("cancelled", [False, True])
def test_hidden_course_is_no_success_after_an_error_of_moodle(
    moodle: Moodle, clock: Clock, settings: Any, cancelled: bool
) -> None:
    job = job_with_unseen_copy(moodle, settings)
    if cancelled:
        jobs.cancel(job, actor=None)
    DuplicationJob.objects.filter(pk=job.pk).update(request_error="dmlwriteexception", moodle_done_at=timezone.now())
    check_until_ended(job, clock)
    assert job.state == (State.CANCELLED if cancelled else State.FAILED), timeline_of(job)
    assert [course.id for course in moodle.made()] == ([] if cancelled else [job.course_id])


@pytest.mark.parametrize("fullname", ["Tips &amp; Tricks", "A & B"])
def test_shell_is_recognised_despite_html_in_its_name(moodle: Moodle, clock: Clock, fullname: str) -> None:
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    job = check_until_ended(run_worker(submit(fullname=fullname)), clock)
    assert (job.state, job.course_id) == (State.FAILED, moodle.made()[0].id), timeline_of(job)
