"""Runs the browser tests with the system's Chromium, or skips them with a reason if there is none."""

import os
from typing import Any

import pytest

from scripts.lib.tests import find_browser

CHROMIUM = find_browser()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker("browser")
            if CHROMIUM is None and os.environ.get("REQUIRE_BROWSER") != "1":
                item.add_marker(pytest.mark.skip(reason="there is no Chromium on this machine (apt install chromium)"))


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.fail("REQUIRE_BROWSER is 1, and there is no Chromium on this machine (apt install chromium)")
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": ["--no-sandbox"]}
