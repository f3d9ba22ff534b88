"""Finds the academic term in a course name: the year and the word beside it, such as "2027s1" in BIO101-2027S1."""

import re

from dupdash.web.name_suggestions import TERM_WORDS, years_in

_WORDS = rf"(?:semester|trimester|quarter|term|{TERM_WORDS})"
# The word before the year, as in "Fall 2027", "WS26" and "S1 2027"; the word after it, as in "2027S1".
_BEFORE = re.compile(rf"(?<![^\W\d_])({_WORDS})[ _-]?(\d?)[ _.,/-]?$", re.IGNORECASE)
_AFTER = re.compile(rf"[ _./-]?({_WORDS})(?:[ _-]?(\d))?(?![^\W_])", re.IGNORECASE)


def terms_in(name: str) -> frozenset[str]:
    """Return the terms in a name in lower case, such as "2027s1"; empty if the name has no year."""
    found = set()
    for year in years_in(name):
        word = _AFTER.match(name, year.end) or _BEFORE.search(name[: year.start])
        found.add(f"{year.value}{''.join(part or '' for part in word.groups()).casefold() if word else ''}")
    return frozenset(found)


def same_term(shortname: str, fullname: str, other_shortname: str, other_fullname: str) -> bool:
    """Return whether two copies of a course have names for the same term. Full names count if a short name has none."""
    term = terms_in(shortname) or terms_in(fullname)
    other = terms_in(other_shortname) or terms_in(other_fullname)
    return bool(term & other)
