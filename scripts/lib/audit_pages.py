"""``scripts/audit-pages``: checks all pages with axe-core, and the layout shift of each load."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from .virtual_environment import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    # Python's warnings are switched off, because they matter only in tests.
    command: list[str | Path] = [PYTHON, "-W", "ignore", "-m", "tests.browser.page_audit", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode
