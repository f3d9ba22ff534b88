"""Corrects one typo in a search that found nothing: "biolgy" finds what "biology" finds.

A typo leaves at least one half of a word unchanged. So the words that contain either half are candidates. The search
index finds them, except parts of two characters on SQLite. The candidate with one typo that occurs most often is used.
"""

from collections import Counter
from collections.abc import Iterable

from django.db.models import Q

from dupdash.duplication.models import JobQuerySet
from dupdash.duplication.search_index import PART_LEAST, has_sqlite_index
from dupdash.web.job_list.search import choose_lookup, words_in

# A shorter word has halves that occur everywhere.
WORD_LEAST = 5
HALF_LEAST = 2
# The latest jobs with a candidate word that are read.
READ_MOST = 500


def corrected(text: str, jobs: JobQuerySet) -> str:
    """Return the search with typos corrected, at most one per word, to words that occur in ``jobs``.

    Returns "" if all words occur, or if a word that does not occur has no correction.
    """
    words = words_in(text)
    better = [_known(word, jobs) for word in words]
    if better == words or not all(better):
        return ""
    return " ".join(f'"{word}"' if " " in word else word for word in better)


def _known(word: str, jobs: JobQuerySet) -> str:
    """Return the word if a job contains it, otherwise the most frequent word that is one typo apart; "" without one."""
    if jobs.filter(_contains(word, jobs)).exists():
        return word
    if len(word) < WORD_LEAST:
        return ""
    middle = len(word) // 2
    halves = [half for half in (word[:middle], word[middle:]) if len(half) >= HALF_LEAST]
    candidates: Counter[str] = Counter()
    for half in halves:
        texts = jobs.filter(_contains(half, jobs))
        for found in texts.order_by("-created_at", "-id").values_list("search_text", flat=True)[:READ_MOST]:
            candidates.update(set(_words(found)))
    close = [
        (count, candidate)
        for candidate, count in candidates.items()
        if _digits(candidate) == _digits(word) and one_typo_apart(word, candidate)
    ]
    return max(close)[1] if close else ""


def _digits(word: str) -> str:
    """Return the digits of a word. Digits are never corrected, because BIO102 is another course than BIO101."""
    return "".join(sign for sign in word if sign.isdigit())


def _contains(part: str, jobs: JobQuerySet) -> Q:
    """Return the condition that a job contains this part of a word.

    On SQLite, parts of two characters are searched in the texts, because the text index lacks them.
    """
    is_short = len(part) < PART_LEAST and has_sqlite_index()
    if is_short or choose_lookup([part], jobs, restricted=True).reads_texts:
        return Q(search_text__contains_all_scanned=[part])
    return Q(search_text__contains_all=[part])


def _words(text: str) -> Iterable[str]:
    """Yield the words of a text, and the parts of words with punctuation: "bio101-2027s1" also gives "bio101"."""
    for word in text.split():
        yield word
        yield from (part for part in word.replace("_", "-").replace(".", "-").split("-") if part != word)


def one_typo_apart(one: str, other: str) -> bool:
    """Return whether one character is missing, added or different, or two neighbours are swapped."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        swapped = len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
        return a[1:] == b[1:] or swapped
    shorter, longer = sorted((a, b), key=len)
    return shorter == longer[1:]
