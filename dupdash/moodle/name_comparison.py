"""Compares course names as a Moodle site may compare them."""

import unicodedata


def short_name_key(shortname: str) -> str:
    """Return the form in which short names are compared: without case and surrounding blanks.

    MariaDB ignores case and trailing blanks. PostgreSQL compares exactly, but there, too, names that are equal here may
    not be used for two copies. Python folds the case, because SQLite's ``lower()`` knows ASCII only (measured).
    """
    return shortname.strip().casefold()


def looks_equal(one: str, other: str) -> bool:
    """Return whether two names differ at most in case, accents and surrounding blanks."""
    return _without_accents(one) == _without_accents(other)


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
