"""Computes and recognises the temporary names that a restore uses, and compares names in the evidence about a copy.

``same_name`` decides whether a course that was seen in Moodle has an expected name. Which short names two jobs may not
share is another question, and ``moodle/name_comparison.py`` answers it.
"""

import re

# How many names are looked up after the first free one, because Moodle skips a counter whose full name is taken.
NAMES_BEYOND = 2
# The longest short name of a course. Moodle cuts a temporary name to it.
SHORT_NAME_LONGEST = 100


def same_name(one: str, other: str) -> bool:
    """Return whether two names differ at most in case, and in white space around and between words."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def temporary_short_name(source_shortname: str, counter: int) -> str:
    """Return the temporary short name of a copy: the short name of the source and a counter, at most 100 characters."""
    suffix = f"_{counter}"
    return source_shortname[: SHORT_NAME_LONGEST - len(suffix)] + suffix


def is_temporary_short_name(shortname: str, source_shortname: str) -> bool:
    """Return whether a short name is a temporary short name of a copy of the source."""
    counter = re.search(r"_([1-9][0-9]*)\Z", shortname)
    return counter is not None and same_name(shortname, temporary_short_name(source_shortname, int(counter.group(1))))
