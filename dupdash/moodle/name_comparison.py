"""Compares course names as a Moodle site may compare them."""

import unicodedata


def same_short_name(one: str, other: str) -> bool:
    """Return whether a Moodle site may treat the two short names as the same.

    Case and surrounding blanks are ignored, because MariaDB ignores case and trailing blanks. PostgreSQL compares
    exactly, but there, too, names that are equal here may not be used for two copies.
    """
    return one.strip().casefold() == other.strip().casefold()


def looks_equal(one: str, other: str) -> bool:
    """Return whether two names differ at most in case, accents and surrounding blanks."""
    return _without_accents(one) == _without_accents(other)


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
