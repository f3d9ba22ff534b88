"""Fixtures for tests of jobs: a sandbox, and a clock that tests can move forward."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from dupdash.duplication import recent_answers, tasks
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.client import MoodleClient
from tests.duplication.support import Clock, Moodle, assert_complete_timelines, serving

# A copy of five activities takes 20 ms.
SPEED = 50.0


@pytest.fixture
def moodle(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moodle]:
    """Run a sandbox as dupdash's Moodle site. At the end assert that no request was sent and no course made twice.

    A worker runs one job for each message, and cached answers of Moodle are not used for other jobs.
    """
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))
    monkeypatch.setattr(tasks, "TASK_LONGEST", 0.0)
    monkeypatch.setattr(recent_answers, "AGE_LONGEST", 0.0)
    with serving(settings, Moodle(speed=SPEED)) as moodle:
        yield moodle
    moodle.never_disturbed()


@pytest.fixture
def complete_timelines(transactional_db: None) -> Iterator[None]:
    """Assert at the end of the test that every job has a complete timeline."""
    yield
    assert_complete_timelines()


@pytest.fixture
def client_of(moodle: Moodle) -> Iterator[MoodleClient]:
    with open_client() as client:
        yield client


@pytest.fixture
def clock() -> Iterator[Clock]:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield Clock(traveller)
