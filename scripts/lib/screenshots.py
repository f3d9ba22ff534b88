"""``scripts/screenshots``: pictures of the pages, made by Chromium, to be looked at."""

import subprocess
from collections.abc import Sequence

from .installation import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    # Warnings are for those who run the tests.
    made = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "tests.browser.screenshots", *arguments], cwd=ROOT, check=False
    )
    return made.returncode
