"""Pretends in all tests of this folder that a worker is running."""

import pytest

from tests.duplication.fixtures import moodle

__all__ = ["moodle"]


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...
