"""What every test of plans has: a worker that runs."""

import pytest

from tests.duplication.fixtures import moodle

__all__ = ["moodle"]


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...
