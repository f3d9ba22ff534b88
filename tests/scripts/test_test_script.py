"""Tests scripts/test: its messages without a browser, and its arguments."""

import pytest

from scripts.lib import tests
from scripts.lib.cli import UsageError


@pytest.fixture
def no_browser(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("REQUIRE_BROWSER", raising=False)
    monkeypatch.setattr(tests, "install", lambda requirements: None)
    runs = []

    class Done:
        returncode = 0

    monkeypatch.setattr(tests.subprocess, "run", lambda command, **_: runs.append(command) or Done())
    return runs


def test_missing_browser_is_reported(no_browser, capsys):
    assert tests.main([]) == 0
    assert "No Chromium is installed: the browser tests are skipped." in capsys.readouterr().out
    assert len(no_browser) == 1


def test_missing_required_browser_fails(no_browser, monkeypatch):
    monkeypatch.setenv("REQUIRE_BROWSER", "1")
    with pytest.raises(UsageError, match="REQUIRE_BROWSER is 1 and no Chromium is installed"):
        tests.main([])
    assert no_browser == []


def test_arguments_are_passed_to_pytest(no_browser):
    tests.main(["-k", "something"])
    assert no_browser[0][-2:] == ["-k", "something"]
