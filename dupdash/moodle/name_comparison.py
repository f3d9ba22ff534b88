"""Compares course names as a Moodle may compare them."""

import unicodedata


def same_short_name(one: str, other: str) -> bool:
    """Return whether some Moodle treats the two as the same short name.

    Case and surrounding blanks do not count: MariaDB ignores case and trailing blanks. PostgreSQL compares exactly, but
    names that are equal here may not be used for two copies there either.
    """
    return one.strip().casefold() == other.strip().casefold()


def looks_equal(one: str, other: str) -> bool:
    """Return whether two texts differ only in case, accents and surrounding blanks."""
    return _without_accents(one) == _without_accents(other)


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
