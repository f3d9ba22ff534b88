"""``scripts/screenshots``: starts ``tests.browser.screenshots``, which takes screenshots of all pages."""

import subprocess
from collections.abc import Sequence

from .virtual_environment import DEVELOPMENT, PYTHON, ROOT, install


def main(arguments: Sequence[str]) -> int:
    install(DEVELOPMENT)
    # Python's warnings are switched off, because they matter only in tests.
    made = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "tests.browser.screenshots", *arguments], cwd=ROOT, check=False
    )
    return made.returncode
