"""Pretends in all tests of pages that a worker is running."""

import pytest


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...
