"""Reads and validates the settings from the environment.

A missing or invalid setting ends the program with one line that names the setting and says what to do.
``.env.example`` lists all settings.
"""

import os
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import Env, EnvError

from dupdash.moodle.site_url import checked_site_url

T = TypeVar("T")

# Larger counts are typing errors, and would overflow.
COUNT_MOST = 1_000_000_000
# A host name or network address without a port. ".example.edu" allows all subdomains, "*" every host.
_HOST = re.compile(r"\*|\.?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)
# Limits of periods, in seconds.
SECONDS_LEAST, SECONDS_MOST = 0.01, 31_536_000


def refuse(setting: str, what_to_do: str) -> NoReturn:
    """End the program with a line that names the invalid setting."""
    sys.exit(f"dupdash cannot start. {setting}: {what_to_do}")


def read_file(env: Env, folder: Path) -> None:
    """Read ``.env`` in ``folder``, if it exists. Variables of the environment take precedence.

    ``DUPDASH_ENV_FILE`` names another file. If this variable is set to an empty string, no file is read. The test suite
    sets it to that, so that no test sends requests to the Moodle site in a developer's ``.env``.
    """
    named = os.environ.get("DUPDASH_ENV_FILE")
    if named == "":
        return
    file = folder / ".env" if named is None else Path(named)
    name = ".env" if named is None else "DUPDASH_ENV_FILE"
    try:
        if file.is_file():
            env.read_env(file, recurse=False)
        elif named is not None:
            refuse(name, f"there is no file {file}")
    except OSError as error:
        refuse(name, f"the file {file} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        # Without the error's own message, which would show content of the file.
        refuse(name, f"the file {file} must be text in UTF-8")


def setting(read: Callable[[], T], name: str, what_to_do: str, valid: Callable[[T], bool] | None = None) -> T:
    """Return the result of ``read()``, the value of a setting.

    If ``read`` fails, or ``valid`` returns False for the value, the program ends with a line that consists of the name
    and ``what_to_do``.
    """
    try:
        value = read()
    except (EnvError, ValueError) as error:
        refuse(name, f"{what_to_do} ({error})")
    if valid is not None and not valid(value):
        refuse(name, what_to_do)
    return value


class Environment:
    """Reads single settings by type. Each method ends the program if the value is invalid."""

    def __init__(self, folder: Path) -> None:
        self._env = Env()
        read_file(self._env, folder)

    def text(self, name: str, default: str = "") -> str:
        return setting(lambda: self._env.str(name, default), name, "must be text").strip()

    def flag(self, name: str, default: bool) -> bool:
        return setting(lambda: self._env.bool(name, default), name, "must be true or false")

    def names(self, name: str, default: list[str]) -> list[str]:
        read = setting(lambda: self._env.list(name, default), name, "must be names with commas between them")
        return [entry.strip() for entry in read if entry.strip()]

    def groups(self, name: str) -> list[str]:
        """Read a list of group names, separated by semicolons because a name in a directory may contain commas."""
        return [entry.strip() for entry in self.text(name).split(";") if entry.strip()]

    def numbers(self, name: str) -> list[int]:
        what = "must be whole numbers from 1 on with commas between them, for example 3,17"
        read = setting(lambda: [int(entry) for entry in self.names(name, [])], name, what)
        return setting(lambda: read, name, what, lambda numbers: all(number > 0 for number in numbers))

    def count(self, name: str, default: int, least: int = 1, most: int = COUNT_MOST) -> int:
        what = f"must be a whole number from {least} to {most}"
        return setting(lambda: self._env.int(name, default), name, what, lambda value: least <= value <= most)

    def seconds(self, name: str, default: float) -> float:
        what = f"must be a number of seconds, from {SECONDS_LEAST:g} to {SECONDS_MOST} (a year)"
        return setting(
            lambda: self._env.float(name, default), name, what, lambda value: SECONDS_LEAST <= value <= SECONDS_MOST
        )

    def growing(self, first: str, longest: str, defaults: tuple[float, float]) -> tuple[float, float]:
        """Read two settings in seconds: the first and the longest value of a growing delay."""
        shorter, longer = self.seconds(first, defaults[0]), self.seconds(longest, defaults[1])
        if shorter > longer:
            refuse(first, f"must not be longer than {longest}, which is {longer:g}")
        return shorter, longer

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            refuse(name, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def web_url(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        # dupdash appends paths to it, so it must have no query or fragment.
        if value and (not is_url(value, ("http", "https")) or not {"?", "#"}.isdisjoint(value)):
            refuse(name, "must be the URL of this dupdash, for example https://copies.example.edu")
        return value

    def moodle_url(self, name: str) -> str:
        value = self.text(name)
        try:
            return checked_site_url(value) if value else ""
        except ValueError as error:
            refuse(name, str(error))

    def hosts(self, name: str, default: list[str]) -> list[str]:
        values = self.names(name, default)
        if not values or not all(_HOST.fullmatch(value) for value in values):
            what = "must be host names without ports, with commas between them, for example copies.example.edu"
            refuse(name, what)
        return values

    def origins(self, name: str) -> list[str]:
        # Browsers send origins without a slash at the end.
        values = [value.removesuffix("/") for value in self.names(name, [])]
        if not all(is_origin(value) for value in values):
            what = "must be URLs without a path, with commas between them, for example https://copies.example.edu"
            refuse(name, what)
        return values

    def service_url(self, name: str, schemes: tuple[str, ...], example: str) -> str:
        value = self.text(name)
        if value and not is_url(value, schemes):
            refuse(name, f"must look like {example}")
        return value

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (OSError, ValueError, LookupError):
            refuse(name, f"must be the name of a time zone, for example Europe/Zurich, not {value!r}")
        return value

    def class_path(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not is_class(value):
            refuse(name, f"must be the path of a Python class, for example {default}; there is no {value!r}")
        return value


def is_class(path: str) -> bool:
    """Return whether this is the path of a class; also True if its module cannot be imported before the settings."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name, None)
    except (ImportError, SyntaxError, TypeError, ValueError):
        return False
    except Exception:
        # The module exists, but its import may need the settings. Its user reports other problems later.
        return True
    return isinstance(found, type)


def is_safe_for_passwords(url: str) -> bool:
    """Return whether the way to this URL is safe for passwords: HTTPS, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def is_origin(value: str) -> bool:
    """Return whether this is an http or https URL with nothing after host and port."""
    return is_url(value, ("http", "https")) and value.count("/") == 2 and {"?", "#", "@"}.isdisjoint(value)


def is_url(value: str, schemes: tuple[str, ...]) -> bool:
    """Return whether this is a URL with one of the schemes, a host (or the path of a Unix socket) and a valid port."""
    try:
        parts = urlsplit(value)
        # Reading the property validates the port.
        reachable = bool(parts.hostname or (parts.scheme == "unix" and parts.path)) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in schemes and reachable and not any(map(str.isspace, value))
