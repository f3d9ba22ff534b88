"""Parses the parameters of a call: from bytes to a nested tree as PHP does, then to typed values as Moodle does.

Invalid input of any kind raises ServiceError. Requests with too many or too deeply nested fields are refused. PHP would
silently drop such fields (``max_input_vars``, ``max_input_nesting_level``), and the call would run without them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from dupdash.gateway.errors import invalid_parameter

# Moodle requires max_input_vars of 5000. No parameter of dupdash is nested as deeply as DEPTH_MOST.
FIELDS_MOST = 5000
DEPTH_MOST = 8

Tree = str | dict[str, "Tree"]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_INTEGER_MOST = 2**63 - 1
# NUL, and bytes of invalid UTF-8. Moodle's fix_utf8() would remove them, and Moodle refuses values that it changes.
_UNCLEAN = re.compile("[\x00\ud800-\udfff]")
# PHP replaces these characters in variable names; a bracket only if it does not open a key.
_NOT_IN_NAMES = str.maketrans(" .[", "___")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


# --- From bytes to a tree -------------------------------------------------------------------------------


def parse(query: bytes, form: bytes) -> dict[str, Tree]:
    """Return the fields of the query string and the form body. If both have a field, the body counts, as in Moodle."""
    return {**unflatten(fields(query)), **unflatten(fields(form))}


def fields(encoded: bytes) -> list[tuple[str, str]]:
    """Return the names and values of an ``application/x-www-form-urlencoded`` text, in order."""
    if not encoded:
        return []
    if encoded.count(b"&") >= FIELDS_MOST:
        raise invalid_parameter(f"The call has more than {FIELDS_MOST} fields")
    pairs = (part.partition(b"=") for part in encoded.split(b"&") if part)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(part: bytes) -> str:
    return decoded(unquote_to_bytes(part.replace(b"+", b" ")))


def decoded(given: bytes) -> str:
    """Decode UTF-8. Invalid bytes become lone surrogates, which no parameter type accepts."""
    return given.decode("utf-8", "surrogateescape")


class _Branch(dict[str, "Tree"]):
    """One level of the tree of parameters. It counts, so that ``[]`` gets the next number as its key."""

    next_index = 0

    def resolve(self, key: str) -> str:
        """Return the key, or for "" (from ``[]``) the number after the highest number so far."""
        key = key or str(self.next_index)
        if key.isascii() and key.isdigit() and len(key) < 19:
            self.next_index = max(self.next_index, int(key) + 1)
        return key


def unflatten(pairs: list[tuple[str, str]]) -> dict[str, Tree]:
    """Turn ``options[0][name]=users`` into ``{"options": {"0": {"name": "users"}}}``, as PHP fills ``$_POST``."""
    tree = _Branch()
    for name, value in pairs:
        first, keys = _split(name)
        if not first:
            continue
        branch = tree
        path = [first, *keys]
        for key in path[:-1]:
            resolved = branch.resolve(key)
            inner = branch.get(resolved)
            if not isinstance(inner, _Branch):
                inner = branch[resolved] = _Branch()
            branch = inner
        branch[branch.resolve(path[-1])] = value
    return tree


def _split(name: str) -> tuple[str, list[str]]:
    """Split ``a[b][c]`` into the first key and the keys in brackets. As in PHP, ``a[b]x[c]`` means ``a[b]``."""
    name = name.lstrip(" ")
    first, bracket, rest = name.partition("[")
    if not bracket or "]" not in rest or not first:
        return name.translate(_NOT_IN_NAMES), []
    keys = []
    while True:
        key, closed, rest = rest.partition("]")
        if not closed:
            break
        keys.append(key)
        if len(keys) >= DEPTH_MOST:
            raise invalid_parameter(f"{shown(name)}: nested more than {DEPTH_MOST} levels deep")
        if not rest.startswith("["):
            break
        rest = rest[1:]
    return first.translate(_NOT_IN_NAMES), keys


# --- From a tree to values ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function. ``clean`` parses its value or raises ServiceError. ``default``: if none is sent."""

    clean: Callable[[str, Tree], Any]
    required: bool = True
    default: Any = None


def validate(described: Mapping[str, Parameter], given: Mapping[str, Tree]) -> dict[str, Any]:
    """Return the typed parameters of a call. Raises ServiceError if one is missing, unknown or malformed."""
    for name in given:
        if name not in described:
            raise invalid_parameter(f"Unexpected parameter: {shown(name)}")
    values = {}
    for name, parameter in described.items():
        if name in given:
            values[name] = parameter.clean(name, given[name])
        elif parameter.required:
            raise invalid_parameter(f"Missing required parameter: {name}")
        else:
            values[name] = parameter.default
    return values


def shown(name: str) -> str:
    """Return text that the caller sent, shortened and escaped for an error message."""
    return ascii(name[:60])[1:-1]


def text(name: str, given: Tree) -> str:
    if not isinstance(given, str):
        raise invalid_parameter(f"{shown(name)}: a single value is expected")
    if _UNCLEAN.search(given):
        raise invalid_parameter(f"{shown(name)}: not UTF-8")
    return given


def integer(name: str, given: Tree) -> int:
    """Parse a ``PARAM_INT``: a 64-bit number, written exactly as PHP would write it."""
    digits = text(name, given)
    if not _INTEGER.fullmatch(digits) or digits == "-0" or abs(value := int(digits)) > _INTEGER_MOST:
        raise invalid_parameter(f"{shown(name)}: an integer is expected")
    return value


def flag(name: str, given: Tree) -> bool:
    digit = text(name, given)
    if digit not in ("0", "1"):
        raise invalid_parameter(f"{shown(name)}: 0 or 1 is expected")
    return digit == "1"


def is_identifier(word: str) -> bool:
    return _IDENTIFIER.fullmatch(word) is not None


def identifier(name: str, given: Tree) -> str:
    """Parse a ``PARAM_ALPHANUMEXT``, the type of duplication ids."""
    word = text(name, given)
    if not is_identifier(word):
        raise invalid_parameter(f"{shown(name)}: letters, digits, - and _ are expected")
    return word


def short_text(longest: int) -> Callable[[str, Tree], str]:
    def clean(name: str, given: Tree) -> str:
        words = text(name, given)
        if len(words) > longest:
            raise invalid_parameter(f"{shown(name)}: at most {longest} characters")
        return words

    return clean


def branches(name: str, given: Tree) -> list[Tree]:
    """Return the items of a list in the order in which they were sent. As in PHP, their keys do not matter."""
    if not isinstance(given, dict):
        raise invalid_parameter(f"{shown(name)}: a list is expected")
    return list(given.values())


def identifiers(name: str, given: Tree) -> list[str]:
    return [identifier(name, item) for item in branches(name, given)]
