"""Names as Moodle compares and invents them: equal names, and the temporary names that a restore uses."""

import re

# The counters that are looked up beyond the first free one: Moodle skips a number whose full name is taken.
NAMES_BEYOND = 2
SHORT_NAME_LONGEST = 100


def same_name(one: str, other: str) -> bool:
    """Whether two names are equal to Moodle: regardless of case and of white space around and between words."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def temporary_short_name(source_shortname: str, counter: int) -> str:
    """What restore calls a copy while it works: the source's short name, cut to fit 100 characters with the counter."""
    suffix = f"_{counter}"
    return source_shortname[: SHORT_NAME_LONGEST - len(suffix)] + suffix


def is_temporary_short_name(shortname: str, source_shortname: str) -> bool:
    """Whether a short name is the source's and a counter, as ``temporary_short_name`` makes it."""
    counter = re.search(r"_([1-9][0-9]*)\Z", shortname)
    return counter is not None and same_name(shortname, temporary_short_name(source_shortname, int(counter.group(1))))
