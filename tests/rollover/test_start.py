"""Tests starting a plan: all its selected rows become jobs of a batch, or none."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, Origin
from dupdash.duplication.states import State
from dupdash.rollover.batches.start import CannotStart, request_start
from dupdash.rollover.batches.start_settings import StartSettings
from dupdash.rollover.models import PlanState
from tests.duplication.support import Moodle, a_job, run_dispatched
from tests.rollover.files import HEADINGS
from tests.rollover.support import a_plan, jobs_of, problems, rows, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _moodle(moodle: Moodle) -> None: ...


def test_each_selected_row_becomes_a_job(administrator: User) -> None:
    plan = a_plan(rows(3), administrator)
    plan.rows.filter(number=3).update(included=False)
    batch = start(plan)
    assert plan.state == PlanState.STARTED
    jobs = jobs_of(batch)
    assert [(job.batch_row, job.shortname, job.state) for job in jobs] == [
        (2, "BIO-COPY-1", State.QUEUED),
        (4, "BIO-COPY-3", State.QUEUED),
    ]
    assert {job.requester for job in jobs} == {administrator}
    assert {job.origin for job in jobs} == {Origin.FILE}
    assert jobs[0].shortname_key == "bio-copy-1"
    assert "Term 2027" in jobs[0].events.get().reason


def test_jobs_of_a_batch_are_run_like_any_other(administrator: User, moodle: Moodle) -> None:
    batch = start(a_plan(rows(2), administrator))
    run_dispatched()
    assert [job.state for job in jobs_of(batch)] == [State.SUCCEEDED] * 2
    assert moodle.named("BIO-COPY-1")


def test_nothing_starts_while_a_selected_row_has_an_error(administrator: User) -> None:
    plan = a_plan(f"{rows(2)}\n4711,Nope,NOPE,8", administrator)
    with pytest.raises(CannotStart, match="1 selected row has errors"):
        request_start(plan, StartSettings())
    plan.rows.filter(number=4).update(included=False)
    assert start(plan) is not None


def test_nothing_starts_if_a_name_was_taken_since_the_check(administrator: User, moodle: Moodle) -> None:
    plan = a_plan(rows(3), administrator)
    moodle.add("BIO-COPY-2")
    assert start(plan) is None
    assert plan.state == PlanState.CHECKED
    assert "Nothing was started" in plan.failure
    assert "already has this short name" in problems(plan, 3)
    assert not DuplicationJob.objects.exists()
    assert not Batch.objects.exists()


def test_nothing_starts_while_moodle_is_unreachable(administrator: User, moodle: Moodle) -> None:
    plan = a_plan(rows(1), administrator)
    moodle.stop()
    assert start(plan) is None
    assert "Nothing was started, because dupdash could not read from Moodle" in plan.failure


def test_name_that_a_job_took_at_the_same_moment_stops_the_whole_batch(
    administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = a_plan(rows(3), administrator)
    from dupdash.rollover.batches import start as module

    submit = module.submit_batch

    def taken_meanwhile(*given: object, **more: object) -> Batch:
        a_job(State.QUEUED, "BIO-COPY-3")
        return submit(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "submit_batch", taken_meanwhile)
    assert start(plan) is None
    assert DuplicationJob.objects.count() == 1
    assert "Another unfinished copy" in problems(plan, 4)


def test_start_time_of_a_row_overrides_that_of_the_plan(administrator: User) -> None:
    own = datetime(2099, 1, 2, 3, 4, tzinfo=UTC)
    plan = a_plan(f"{HEADINGS},start\n7,A,A-1,8,2099-01-02 03:04\n7,B,B-1,8,\n", administrator)
    later = timezone.now() + timedelta(days=1)
    first, second = jobs_of(start(plan, not_before=later))
    assert (first.not_before, second.not_before) == (own, later)


def test_batch_keeps_its_window_and_priority(administrator: User) -> None:
    batch = start(a_plan(rows(1), administrator), window=(time(20), time(6)), priority=1, mail_results=True)
    assert batch is not None
    assert (batch.window_start, batch.window_end, batch.priority, batch.mail_results) == (time(20), time(6), 1, True)


def test_plan_that_was_started_cannot_be_started_again(administrator: User) -> None:
    plan = a_plan(rows(1), administrator)
    start(plan)
    with pytest.raises(CannotStart, match="started already"):
        request_start(plan, StartSettings())
