"""Helpers for tests that run a program with its own settings."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that reads the settings, with no other environment variables."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=minimal(environment),
        capture_output=True,
        text=True,
        timeout=60,
    )


def read_settings(**environment: str) -> subprocess.CompletedProcess[str]:
    """Import the settings with no other environment variables. The output is every setting as JSON.

    This happens in a fork of the test process, because a new process needs most of a second to import Django.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(_print_settings(minimal(environment)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([], status, output.read(), errors.read())


def minimal(environment: dict[str, str]) -> dict[str, str]:
    """Return these environment variables with the few that every program needs."""
    return {"PATH": os.environ["PATH"], "DUPDASH_ENV_FILE": "", **environment}


def _print_settings(environment: dict[str, str]) -> int:
    """Import the settings anew and print them. Returns the exit status that a program would have."""
    os.environ.clear()
    os.environ.update(environment)
    sys.modules.pop("dupdash.settings", None)
    with open(1, "w", closefd=False) as output, open(2, "w", closefd=False) as errors:
        try:
            settings = importlib.import_module("dupdash.settings")
        except SystemExit as refusal:
            print(refusal, file=errors)
            return 1
        except BaseException:
            traceback.print_exc(file=errors)
            return 1
        values = {name: value for name, value in vars(settings).items() if name.isupper()}
        # Values that JSON cannot represent are printed as text.
        json.dump(values, output, default=str, sort_keys=True)
        return 0
