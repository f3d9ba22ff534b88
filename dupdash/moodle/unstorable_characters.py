"""Replaces characters, and leaves out values, that a database cannot store, in strings and decoded JSON."""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Return ``text`` with NUL characters and lone surrogates replaced."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def storable_json(value: object) -> object:
    """Return decoded JSON with storable strings. Keys whose value is null are left out.

    Raises RecursionError for a value that is nested too deeply.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {key: storable_json(item) for key, item in value.items() if item is not None}
    return value
