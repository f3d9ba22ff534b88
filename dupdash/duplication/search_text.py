"""Folds strings for the search: removes case and accents, in the same way on every database.

Python folds the strings, and the row of the job stores the result, because databases differ: SQLite's ``LIKE`` and
``lower()`` know ASCII only, and PostgreSQL's depend on the locale of the cluster.
"""

import unicodedata

# Moodle's error messages can contain whole pages.
SEARCH_TEXT_LONGEST = 4000
# People type plain quotation marks for typographic ones.
_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛′´`", "'"), **dict.fromkeys("“”„‟«»″", '"')})


def fold_text(text: str) -> str:
    """Return the folded string, at most LONGEST characters: "Müller" becomes equal to "MULLER".

    The two ways in which Unicode writes "ü" become equal, and so do typographic and plain quotation marks.
    """
    if text.isascii():
        return text.lower().translate(_QUOTES)[:SEARCH_TEXT_LONGEST]
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_QUOTES)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")[:SEARCH_TEXT_LONGEST]


def search_words(*texts: str) -> str:
    """Return one folded string with a space before each word, so that the search can find the beginning of a word."""
    return "".join(f" {word}" for text in texts for word in fold_text(text).split())
