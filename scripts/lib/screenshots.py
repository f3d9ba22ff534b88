"""``scripts/screenshots``: takes screenshots of all pages with Chromium."""

import subprocess
from collections.abc import Sequence

from .installation import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    # Without Python warnings, which matter only in tests.
    made = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "tests.browser.screenshots", *arguments], cwd=ROOT, check=False
    )
    return made.returncode
