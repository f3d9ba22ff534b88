"""How the scripts speak: short lines, and one clear line where something is missing."""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn


class UsageError(Exception):
    """Something the script needs is not there. The message is one line that says what to do."""


def say(text: str = "") -> None:
    print(text, flush=True)


def step(what: str, result: str) -> None:
    """One line of what is done, with the results below one another."""
    say(f"  {what:<12} {result}")


def run(name: str, main: Callable[[Sequence[str]], int]) -> NoReturn:
    """End the process with what ``main`` returns, or with one line and 1 where something is missing."""
    # An exception, so that whatever is being run (pip, for one) is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status = main(sys.argv[1:])
    except UsageError as missing:
        print(f"{name}: {missing}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
