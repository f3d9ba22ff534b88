"""Compares names strictly enough to keep two copies apart, and loosely enough to recognise the answer to a lookup.

``short_name_key`` decides whether two short names are the same name, because two jobs must not request it.
``looks_equal`` decides whether Moodle's answer can belong to the lookup of a name. Whether a course has the expected
names is another question, and ``same_name`` in ``duplication/drivers/temporary_names.py`` answers it.
"""

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
