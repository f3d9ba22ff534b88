"""What every test of the pages has: a worker that runs."""

import pytest


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...
