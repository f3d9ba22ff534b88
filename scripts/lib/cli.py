"""Prints the progress and errors of the scripts, and exits with the right status."""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn


class UsageError(Exception):
    """The script cannot run. The message is one line that says what to do."""


def say(text: str = "") -> None:
    print(text, flush=True)


def step(what: str, result: str) -> None:
    """Print one progress line. The results are aligned in a column."""
    say(f"  {what:<12} {result}")


def run(name: str, main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run ``main`` and exit with its status. A UsageError is printed as one line and exits with 1."""
    # SIGTERM raises an exception, so that a running child such as pip is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status = main(sys.argv[1:])
    except UsageError as missing:
        print(f"{name}: {missing}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
