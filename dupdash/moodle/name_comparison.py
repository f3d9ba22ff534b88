"""Compares names of courses: for short names that two jobs request, and for names in Moodle's answers to lookups.

Two jobs must not request short names with the same ``short_name_key``. An answer can belong to the lookup of a name if
the name in the answer ``looks_equal``. Whether a course has the names that are expected of a copy is decided by
``same_name`` in ``duplication/drivers/temporary_names.py``.
"""

import unicodedata


def short_name_key(shortname: str) -> str:
    """Return the form in which short names are compared: without case and surrounding blanks.

    MariaDB ignores case and trailing blanks. PostgreSQL compares exactly, but dupdash treats such names as equal there,
    too. Python folds the case, because SQLite's ``lower()`` knows ASCII only (measured).
    """
    return shortname.strip().casefold()


def looks_equal(one: str, other: str) -> bool:
    """Return whether two names differ at most in case, accents and surrounding blanks."""
    return _without_accents(one) == _without_accents(other)


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
