"""Tests enqueuing: each job is enqueued once after the commit, and again if its message was lost."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from tests.duplication.race_conditions import before_first_write, messages
from tests.duplication.support import Background, Clock, Moodle, a_job, run_worker, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


@pytest.fixture
def enqueued_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The job ids that a broker outside of the database transaction, such as Redis, has received."""
    heard: list[str] = []
    monkeypatch.setattr(dispatch, "async_task", lambda task, *arguments, cluster: heard.extend(arguments))
    return heard


def test_concurrent_sweeps_enqueue_a_job_once(clock: Clock, settings: Any) -> None:
    """Two sweeps that both find a job overdue enqueue it only once."""
    a_job(State.QUEUED, dispatched_at=timezone.now())
    clock.forward(settings.REDISPATCH_AFTER + 1)
    before = messages()
    other = Background(dispatch.redispatch_stale)

    def at_the_same_time() -> None:
        other.start()
        other.finish()

    with before_first_write(at_the_same_time):
        dispatch.redispatch_stale()
    assert messages() == before + 1


def test_rolled_back_job_is_not_enqueued(moodle: Moodle, enqueued_ids: list[str]) -> None:
    """A job whose transaction is rolled back is not enqueued."""
    with transaction.atomic():
        submit()
        transaction.set_rollback(True)
    assert enqueued_ids == []
    assert not DuplicationJob.objects.exists()
    with transaction.atomic():
        job = submit()
        assert enqueued_ids == []
    assert enqueued_ids == [job.pk]


def test_broker_outage_loses_no_job(
    moodle: Moodle, clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: str, **__: str) -> None:
        raise ConnectionError("Connection refused.")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(dispatch, "async_task", away)
        job = submit()
    assert job.state == State.QUEUED
    before = messages()
    clock.forward(settings.REDISPATCH_AFTER + 1)
    tasks.sweep()
    assert messages() == before + 1, "the sweep tells them again"
    assert run_worker(job).state == State.SUCCEEDED
