"""``scripts/screenshots``: takes screenshots of all pages with Chromium."""

import subprocess
from collections.abc import Sequence

from .installation import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    # Python's warnings are switched off, because they matter only in tests.
    made = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "tests.browser.screenshots", *arguments], cwd=ROOT, check=False
    )
    return made.returncode
