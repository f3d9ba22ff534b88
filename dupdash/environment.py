"""The settings that come from the environment, read with one rule for what is wrong with them.

A missing or malformed setting ends the program with one line that names the setting and says what to
do. ``.env.example`` lists every name.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from environs import Env, EnvError

T = TypeVar("T")


def refuse(setting: str, what_to_do: str) -> NoReturn:
    """End the program: ``setting`` cannot be used as it is."""
    sys.exit(f"dupdash cannot start. {setting}: {what_to_do}")


def read_environment_file(folder: Path) -> None:
    """Read ``.env`` in ``folder``; what the environment already says wins.

    ``DUPDASH_ENV_FILE`` names another file; empty means none (the test suite sets it so that no test ever
    speaks to the site in a developer's ``.env``).
    """
    name = os.environ.get("DUPDASH_ENV_FILE", str(folder / ".env"))
    if name and Path(name).is_file():
        Env().read_env(name, recurse=False)


def setting(read: Callable[[], T], name: str, what_to_do: str, valid: Callable[[T], bool] | None = None) -> T:
    """``read()``, or the end of the program with a line that names the setting."""
    try:
        value = read()
    except (EnvError, ValueError) as error:
        refuse(name, f"{what_to_do} ({error})")
    if valid is not None and not valid(value):
        refuse(name, what_to_do)
    return value


class Environment:
    """Typed reading of single settings; each method ends the program on a value that cannot be used."""

    def __init__(self) -> None:
        self._env = Env()

    def text(self, name: str, default: str = "") -> str:
        return setting(lambda: self._env.str(name, default), name, "must be text").strip()

    def flag(self, name: str, default: bool) -> bool:
        return setting(lambda: self._env.bool(name, default), name, "must be true or false")

    def names(self, name: str, default: list[str]) -> list[str]:
        read = setting(lambda: self._env.list(name, default), name, "must be names with commas between them")
        return [entry.strip() for entry in read if entry.strip()]

    def numbers(self, name: str) -> list[int]:
        what = "must be whole numbers with commas between them, for example 3,17"
        return setting(lambda: [int(entry) for entry in self.names(name, [])], name, what)

    def count(self, name: str, default: int, least: int = 1) -> int:
        what = f"must be a whole number of at least {least}"
        return setting(lambda: self._env.int(name, default), name, what, lambda value: value >= least)

    def seconds(self, name: str, default: float, least: float = 0.01) -> float:
        what = f"must be a number of seconds, {least:g} or more"
        return setting(lambda: self._env.float(name, default), name, what, lambda value: value >= least)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            refuse(name, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def web_address(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if value and not value.startswith(("http://", "https://")):
            refuse(name, "must be the address of the site, for example https://moodle.example.edu")
        return value
