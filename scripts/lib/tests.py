"""``scripts/test``: the whole test suite, with what it needs installed first."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from .cli import UsageError, say
from .installation import DEVELOPMENT, PYTHON, ROOT, install

# Where the browser tests look for one, in this order.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


# The whole suite is run by two processes: it waits more than it computes, for browsers and for time to pass.
WHOLE = ("-n", "2")


def main(arguments: Sequence[str]) -> int:
    """Arguments go to pytest as they are."""
    _browser_or_word_of_it()
    install(DEVELOPMENT)
    return subprocess.run([PYTHON, "-m", "pytest", *(arguments or WHOLE)], cwd=ROOT, check=False).returncode


def _browser_or_word_of_it() -> None:
    """Without a browser its tests are skipped, which nobody should overlook."""
    if any(map(shutil.which, BROWSERS)):
        return
    if os.environ.get("REQUIRE_BROWSER") == "1":
        raise UsageError(
            "REQUIRE_BROWSER is 1 and no Chromium is installed. On Debian and Ubuntu: apt-get install chromium"
        )
    say("No Chromium is installed: the browser tests are skipped. On Debian and Ubuntu: apt-get install chromium")
