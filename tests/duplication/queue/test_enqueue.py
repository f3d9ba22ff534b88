"""Telling the workers: once, after it is committed, and again where the bell did not ring."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch
from dupdash.duplication.states import State
from tests.duplication.interleavings import before_it_is_written, messages
from tests.duplication.support import Background, Clock, Moodle, a_job, run_worker, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


@pytest.fixture
def enqueued_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The job ids that a broker outside of the database's transactions, such as Redis, received."""
    heard: list[str] = []
    monkeypatch.setattr(dispatch, "async_task", lambda task, *arguments, cluster: heard.extend(arguments))
    return heard


def test_concurrent_sweeps_enqueue_a_job_once(clock: Clock, settings: Any) -> None:
    """Both found the job overdue before either wrote that it is told again."""
    a_job(State.QUEUED, dispatched_at=timezone.now())
    clock.forward(settings.REDISPATCH_AFTER + 1)
    before = messages()
    other = Background(dispatch.redispatch_stale)

    def at_the_same_time() -> None:
        other.start()
        other.finish()

    with before_it_is_written(at_the_same_time):
        dispatch.redispatch_stale()
    assert messages() == before + 1


def test_rolled_back_job_is_not_enqueued(moodle: Moodle, enqueued_ids: list[str]) -> None:
    """A worker would look for it, find none, and leave; or, a moment too early, never come back for it."""
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
