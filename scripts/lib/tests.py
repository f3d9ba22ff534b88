"""``scripts/test``: installs the requirements and runs the test suite."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from .cli import UsageError, say
from .virtual_environment import DEVELOPMENT, PYTHON, ROOT, install

# The browser tests use the first of these that is installed. The headless shell is Chromium without windows, which
# halves the CPU time of the browser tests.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


# Four processes keep two cores busy, because many tests wait for browsers and worker processes. With worksteal each
# process runs whole modules, so that it sets up shared fixtures once, and the processes end at about the same time.
DEFAULT_ARGUMENTS = ("-n", "4", "--dist", "worksteal")


def main(arguments: Sequence[str]) -> int:
    """Install the requirements and run pytest with the arguments of the script."""
    _check_browser()
    install(DEVELOPMENT)
    return subprocess.run([PYTHON, "-m", "pytest", *(arguments or DEFAULT_ARGUMENTS)], cwd=ROOT, check=False).returncode


def find_browser() -> str | None:
    """Return the path of the browser for the tests, or None if none is installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _check_browser() -> None:
    """Without Chromium, print that the browser tests are skipped, or raise UsageError if REQUIRE_BROWSER is 1."""
    if find_browser():
        return
    if os.environ.get("REQUIRE_BROWSER") == "1":
        raise UsageError(
            "REQUIRE_BROWSER is 1 and no Chromium is installed. On Debian and Ubuntu: apt-get install chromium"
        )
    say("No Chromium is installed: the browser tests are skipped. On Debian and Ubuntu: apt-get install chromium")
