"""The form in which texts are searched: without case, without accents, the same on every database.

Folded in Python and kept in the job's row. Neither database does it for us: SQLite's ``LIKE`` and ``lower()`` know
ASCII only, PostgreSQL's depend on the locale of the cluster. Kept beside the texts because one column is read faster
than six. It has no index: a B-tree does not help with a part of a word, and PostgreSQL's trigrams need an extension
that not every site may install. Reading all of 10,000 jobs takes some ten milliseconds (bench/pages.py).
"""

import unicodedata

# Moodle's error messages can hold whole pages.
LONGEST = 4000


def fold_text(text: str) -> str:
    """ "Müller" and "MULLER" are the same, and so are the two ways in which Unicode writes the "ü"."""
    taken_apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(sign for sign in taken_apart if unicodedata.category(sign) != "Mn")[:LONGEST]
