"""Text in the form in which it is searched: without case and accents, the same on every database.

Folded in Python and kept in the job's row. Neither database folds alike: SQLite's ``LIKE`` and ``lower()`` know ASCII
only, PostgreSQL's depend on the locale of the cluster.
"""

import unicodedata

# Moodle's error messages can hold whole pages.
LONGEST = 4000
# Whoever types a name does not type its typographic quotation marks.
_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛′´`", "'"), **dict.fromkeys("“”„‟«»″", '"')})


def fold_text(text: str) -> str:
    """ "Müller" and "MULLER" become the same, and so do the two ways in which Unicode writes the "ü"."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_QUOTES)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")[:LONGEST]


def search_words(*texts: str) -> str:
    """The folded texts with one space before each word, so that the start of a word can be searched, too."""
    return "".join(f" {word}" for text in texts for word in fold_text(text).split())
