"""Fixtures for tests of the sandbox: sandboxes with different settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dupdash.sandbox.server import Sandbox

from .support import Caller

Serve = Callable[..., Caller]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function: ``serve(speed=…, plugin=…)`` starts another sandbox. All are stopped at the end."""
    running: list[Sandbox] = []

    def start(**settings: Any) -> Caller:
        sandbox = Sandbox(**{"speed": 1000, "collision_window": 0, **settings}).start()
        running.append(sandbox)
        return Caller(sandbox)

    yield start
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def moodle(serve: Serve) -> Caller:
    return serve()
