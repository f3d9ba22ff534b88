"""Tests how often workers poll the queue in the database."""

import time
from typing import Any

import pytest
from django.conf import settings
from django_q.brokers import get_broker
from django_q.tasks import async_task

from dupdash.duplication.queue import broker as module
from dupdash.duplication.queue.broker import BUSY_FOR, BUSY_POLL, FIRST_POLL, IDLE_POLL, JOB, DatabaseBroker
from dupdash.duplication.queue.dispatch import COPIES

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(bool(settings.REDIS_URL), reason="the queue is in Redis, not in the database"),
]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr(module.time, "sleep", made.append)
    return made


def broker() -> DatabaseBroker:
    made = get_broker(COPIES)
    assert isinstance(made, DatabaseBroker)
    return made


def test_idle_queue_is_polled_rarely(pauses: list[float]) -> None:
    assert broker().dequeue() is None
    assert pauses == [IDLE_POLL]


def test_message_is_taken_once_and_at_once(pauses: list[float]) -> None:
    async_task("dupdash.duplication.tasks.heartbeat", "x", "y", cluster=COPIES)
    queue = broker()
    taken = queue.dequeue()
    assert taken is not None
    assert len(taken) == 1
    assert pauses == []
    assert queue.dequeue() is None
    assert pauses == [FIRST_POLL]


@pytest.mark.parametrize(("task", "busy"), [(JOB, True), ("dupdash.duplication.tasks.heartbeat", False)])
def test_only_jobs_keep_the_polls_frequent(task: str, busy: bool) -> None:
    async_task(task, "x", cluster=COPIES)
    queue = broker()
    assert queue.dequeue()
    now = time.monotonic()
    assert queue.poll_interval(now + 0.5 * BUSY_FOR) == (BUSY_POLL if busy else IDLE_POLL)
    assert queue.poll_interval(now + 1.5 * BUSY_FOR) == IDLE_POLL


def test_unreadable_message_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker passes an unreadable message on to django-q2, which drops and logs it."""
    queue = broker()
    queue.enqueue("nonsense")
    taken: Any = queue.dequeue()
    assert [payload for _, payload in taken] == ["nonsense"]
