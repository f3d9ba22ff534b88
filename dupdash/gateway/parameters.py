"""The parameters of a call: from bytes to a tree as PHP makes it, and from there to typed values as Moodle does.

Whatever the bytes are, what is raised is a ServiceError. Bounded in size and depth: PHP cuts off silently what is
too much (``max_input_vars``, ``max_input_nesting_level``); here it is refused, because half a request is none.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from dupdash.gateway.errors import invalid_parameter

# What Moodle demands of PHP's max_input_vars (5000), and deeper than any parameter of ours.
FIELDS_MOST = 5000
DEPTH_MOST = 8

Tree = str | dict[str, "Tree"]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_INTEGER_MOST = 2**63 - 1
# NUL, and bytes that were no UTF-8: Moodle's fix_utf8() would take them out, and it refuses what it would change.
_UNCLEAN = re.compile("[\x00\ud800-\udfff]")
# What PHP's variable names do not hold; a bracket only where it opens no key.
_NOT_IN_NAMES = str.maketrans(" .[", "___")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


# --- From bytes to a tree -------------------------------------------------------------------------------


def parse(query: bytes, form: bytes) -> dict[str, Tree]:
    """Query string and form body, merged as Moodle does: of one name the body's counts."""
    return {**unflatten(fields(query)), **unflatten(fields(form))}


def fields(encoded: bytes) -> list[tuple[str, str]]:
    """The names and values of an ``application/x-www-form-urlencoded`` text, in their order."""
    if not encoded:
        return []
    if encoded.count(b"&") >= FIELDS_MOST:
        raise invalid_parameter(f"More than {FIELDS_MOST} fields")
    pairs = (part.partition(b"=") for part in encoded.split(b"&") if part)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(part: bytes) -> str:
    return decoded(unquote_to_bytes(part.replace(b"+", b" ")))


def decoded(given: bytes) -> str:
    """Bytes that are no UTF-8 become lone surrogates, which no type accepts."""
    return given.decode("utf-8", "surrogateescape")


class _Branch(dict[str, "Tree"]):
    """One level of the tree, which knows the number that ``[]`` stands for in it."""

    following = 0

    def place(self, key: str) -> str:
        """The key that is filled now: itself, or for ``[]`` one above the highest number so far."""
        key = key or str(self.following)
        if key.isascii() and key.isdigit() and len(key) < 19:
            self.following = max(self.following, int(key) + 1)
        return key


def unflatten(pairs: list[tuple[str, str]]) -> dict[str, Tree]:
    """``options[0][name]=users`` to ``{"options": {"0": {"name": "users"}}}``, as PHP fills ``$_POST``."""
    tree = _Branch()
    for name, value in pairs:
        first, keys = _split(name)
        if not first:
            continue
        branch = tree
        path = [first, *keys]
        for key in path[:-1]:
            place = branch.place(key)
            inner = branch.get(place)
            if not isinstance(inner, _Branch):
                inner = branch[place] = _Branch()
            branch = inner
        branch[branch.place(path[-1])] = value
    return tree


def _split(name: str) -> tuple[str, list[str]]:
    """The first key and the bracketed ones behind it; what stands between or behind brackets PHP drops."""
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
            raise invalid_parameter(f"Nested more than {DEPTH_MOST} deep")
        if not rest.startswith("["):
            break
        rest = rest[1:]
    return first.translate(_NOT_IN_NAMES), keys


# --- From a tree to values ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function. ``clean`` raises ServiceError; ``default`` counts where it is not required."""

    clean: Callable[[str, Tree], Any]
    required: bool = True
    default: Any = None


def validate(described: Mapping[str, Parameter], given: Mapping[str, Tree]) -> dict[str, Any]:
    """The typed parameters of a function. As Moodle: a missing, an unknown and an ill-typed one are one error."""
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
    """Something the caller sent, short, and printable in any encoding."""
    return ascii(name[:60])[1:-1]


def text(name: str, given: Tree) -> str:
    if not isinstance(given, str):
        raise invalid_parameter(f"{shown(name)}: a single value is expected")
    if _UNCLEAN.search(given):
        raise invalid_parameter(f"{shown(name)}: not UTF-8")
    return given


def integer(name: str, given: Tree) -> int:
    """``PARAM_INT``: what PHP would write the same way again, within 64 bits."""
    digits = text(name, given)
    if not _INTEGER.fullmatch(digits) or digits == "-0" or abs(value := int(digits)) > _INTEGER_MOST:
        raise invalid_parameter(f"{shown(name)}: an integer is expected")
    return value


def flag(name: str, given: Tree) -> bool:
    digit = text(name, given)
    if digit not in ("0", "1"):
        raise invalid_parameter(f"{shown(name)}: 0 or 1 is expected")
    return digit == "1"


def identifier(name: str, given: Tree) -> str:
    """``PARAM_ALPHANUMEXT``; ids of duplications are of this kind, and many that are none."""
    word = text(name, given)
    if not _IDENTIFIER.fullmatch(word):
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
    """The items of a list, in the order in which they came: PHP does not care for a list's keys."""
    if not isinstance(given, dict):
        raise invalid_parameter(f"{shown(name)}: a list is expected")
    return list(given.values())


def many(clean: Callable[[str, Tree], Any]) -> Callable[[str, Tree], list[Any]]:
    def clean_all(name: str, given: Tree) -> list[Any]:
        return [clean(name, item) for item in branches(name, given)]

    return clean_all
