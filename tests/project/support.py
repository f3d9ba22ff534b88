"""Helpers for tests that run a program with its own settings."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# A program that prints every setting. Values that JSON cannot represent are printed as text.
PRINT_SETTINGS = """
import json
from dupdash import settings
values = {name: value for name, value in vars(settings).items() if name.isupper()}
print(json.dumps(values, default=str, sort_keys=True))
"""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that reads the settings, with no other environment variables."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DUPDASH_ENV_FILE": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
