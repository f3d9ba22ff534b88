"""Fixtures for the contract tests: the sandbox, or the real site that the environment variables name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dupdash.sandbox.server import Sandbox

from .tested_server import SITE_INFO, Server, Site

CONTRACT = ("CONTRACT_SOURCE", "CONTRACT_CATEGORY")


def _setting(name: str) -> str:
    """Read a setting of the real site. The settings of the test suite hide these variables from all other tests."""
    return os.environ.get(f"CONTRACT_{name}") or os.environ.get(name, "")


def _real_site() -> Server | None:
    named = {name: os.environ.get(name, "") for name in CONTRACT}
    url, token = _setting("MOODLE_URL"), _setting("MOODLE_TOKEN")
    if not any(named.values()):
        return None
    if not (url and token and all(value.isdecimal() for value in named.values())):
        raise pytest.UsageError(
            "A real site needs MOODLE_URL, MOODLE_TOKEN, and the numbers CONTRACT_SOURCE and CONTRACT_CATEGORY"
        )
    return Server(url, token, "moodle")


_ASKED = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[Server]:
    real = _real_site()
    if real:
        pytestconfig.stash[_ASKED] = _described(real)
        yield real
        return
    with Sandbox(speed=100, collision_window=0) as sandbox:
        server = Server(sandbox.url, sandbox.token, "sandbox", sandbox=sandbox)
        pytestconfig.stash[_ASKED] = _described(server)
        yield server


def _described(server: Server) -> str:
    info = server.call(SITE_INFO)
    return f"{server.label} at {server.url}, release {info.get('release')}, version {info.get('version')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if asked := config.stash.get(_ASKED, ""):
        terminalreporter.write_line(f"The contract was tested with: {asked}")


@pytest.fixture(scope="session")
def _site(server: Server) -> Site:
    if server.sandbox:
        source = server.sandbox.course("BIO101-2026S1")
        return Site(server, source.id, source.categoryid)
    return Site(server, int(os.environ["CONTRACT_SOURCE"]), int(os.environ["CONTRACT_CATEGORY"]))


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    with replace(_site, _shortnames=[], _ids=[]).swept() as site:
        yield site


@pytest.fixture(scope="session")
def copied(_site: Site) -> Iterator[int]:
    """The id of a hidden copy, which all reading tests share because making a copy takes long on a real site."""
    with replace(_site, _shortnames=[], _ids=[]).swept() as site:
        answer = site.duplicate(site.a_shortname(), visible=0, options=[{"name": "users", "value": 0}])
        assert "id" in answer, answer
        yield answer["id"]


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """The sandbox, for situations that a test cannot create on a real site."""
    if server.sandbox is None:
        pytest.skip("only the sandbox can be made to do this")
    return server.sandbox
