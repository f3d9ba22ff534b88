"""Lists the time zones that forms offer."""

from functools import cache
from zoneinfo import available_timezones


@cache
def zone_choices() -> tuple[tuple[str, str], ...]:
    """Return the time zones that are named after places, and UTC, sorted. Abbreviations and aliases are left out."""
    return tuple((name, name.replace("_", " ")) for name in sorted(available_timezones()) if _is_a_place(name))


def _is_a_place(name: str) -> bool:
    return name == "UTC" or ("/" in name and not name.startswith(("Etc/", "SystemV/", "US/", "posix/", "right/")))
