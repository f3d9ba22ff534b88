"""Fixtures for tests of the Moodle client: a client, and servers that answer it."""

import os
from collections.abc import Callable, Iterator

import pytest
import responses

from dupdash.moodle.client import MoodleClient

from .server import Server, Step
from .support import SITE, TOKEN


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxy settings of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def client() -> Iterator[MoodleClient]:
    with MoodleClient(SITE, TOKEN) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Return a function: ``serve(step, ...)`` starts a server on a real socket. Each step answers one request."""
    servers: list[Server] = []

    def start(*steps: Step, tls: str | None = None) -> Server:
        servers.append(Server(steps, tls=tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
