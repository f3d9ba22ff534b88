"""Folds text for the search: without case and accents, the same on every database.

Python folds the text, and the job's row stores it, because databases differ: SQLite's ``LIKE`` and ``lower()`` know
ASCII only, and PostgreSQL's depend on the locale of the cluster.
"""

import unicodedata

# Moodle's error messages can contain whole pages.
LONGEST = 4000
# People type plain quotation marks for typographic ones.
_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛′´`", "'"), **dict.fromkeys("“”„‟«»″", '"')})


def fold_text(text: str) -> str:
    """Fold a text: "Müller" and "MULLER" become equal, and so do the two ways in which Unicode writes "ü"."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_QUOTES)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")[:LONGEST]


def search_words(*texts: str) -> str:
    """Return the folded texts with one space before each word, so that the start of a word can be searched, too."""
    return "".join(f" {word}" for text in texts for word in fold_text(text).split())
