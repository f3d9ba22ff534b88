"""Tests ``manage.py sandbox``: arguments, start and stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

HERE = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--speed", "fast"], "--speed must be a number above 0, not 'fast'"),
        (["--speed", "0"], "--speed must be a number above 0"),
        (["--speed", "nan"], "--speed must be a number above 0"),
        (["--port", "lunch"], "--port must be a number from 0 to 65535, not 'lunch'"),
        (["--port", "70000"], "--port must be a number from 0 to 65535"),
        (["--fault", "meteorite"], "--fault: no fault is called 'meteorite'; known faults: refuse"),
        (["--fault", "stall=function:core_course_get_contents"], "--fault: fault stall cannot affect"),
        (["--fault", "html=often"], "--fault: probability must be a number"),
        (["--host", "no.such.host.invalid", "--port", "0"], "Cannot listen on no.such.host.invalid"),
    ],
)
def test_invalid_argument_is_named(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=re.escape(told)):
        call_command("sandbox", *arguments)


def test_port_in_use_is_reported_in_one_line(taken: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("sandbox", "--port", str(taken))
    assert f"port {taken}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 1


def test_sandbox_serves_until_sigterm() -> None:
    command = [sys.executable, "manage.py", "sandbox", "--port", "0", "--speed", "1000", "--plugin"]
    command += ["--fault", "html=function:core_course_get_categories"]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            match = re.match(r"Sandbox at (\S+)  token (\S+)  accounts admin, faculty, helpdesk \(password \S+\)", line)
            assert match, f"said {line!r}"
            fields = {"wstoken": match[2], "moodlewsrestformat": "json", "wsfunction": "core_webservice_get_site_info"}
            info = requests.post(f"{match[1]}/webservice/rest/server.php", fields, timeout=20).json()
            assert "core_course_async_duplicate_course" in [function["name"] for function in info["functions"]]
            fields["wsfunction"] = "core_course_get_categories"
            page = requests.post(f"{match[1]}/webservice/rest/server.php", fields, timeout=20)
            assert page.text.startswith("<!DOCTYPE html>")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
