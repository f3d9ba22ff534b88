"""``scripts/screenshots``: pictures of the pages, made by Chromium, to be looked at."""

import subprocess
from collections.abc import Sequence

from .installation import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    command = [PYTHON, "-W", "ignore", "-m", "tests.browser.screenshots", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode
