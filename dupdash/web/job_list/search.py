"""Searches jobs by names, people, ids, courses and errors, and by pasted URLs of jobs and Moodle courses."""

import re
from dataclasses import dataclass

from django.db.models import Q

from dupdash.duplication.explanations import EXPLANATIONS
from dupdash.duplication.models import JobQuerySet
from dupdash.duplication.request import as_id
from dupdash.duplication.search_index import count_matches, has_sqlite_index
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import State

LONGEST = 200
WORDS_MOST = 8
# A word in quotation marks may hold blanks.
_WORD = re.compile(r'"([^"]+)"|(\S+)')
# Quotation marks around a pasted name; apostrophes within a name are folded (duplication/search_text.py).
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
# Finds the id of a job or of a Moodle course in a pasted URL.
_JOB_URL = re.compile(r"\S*/jobs/([0-9a-f]{32})\b\S*")
_COURSE_URL = re.compile(r"\S*/course/(?:view|edit)\.php\?(?:\S*?&)?id=(\d+)\S*")
_START_OF_ID = re.compile(r"[0-9a-f]{6,32}")
# A shorter text is not searched in the explanations of failures.
A_SENTENCE = 12
ID_LENGTH = 32
# Words in at least this many jobs are common. The text index counts up to this number in about 20 ms.
COMMON = 50_000
# Looking up the job of one match takes as long as reading the texts of this many jobs (measured with a million jobs).
ROWS_PER_MATCH = 3
# Reading the texts of this many jobs takes about 20 ms.
FEW_JOBS = 5_000


def words_in(text: str) -> list[str]:
    """Return the words to search for, folded, at most WORDS_MOST. A pasted URL becomes the id that it contains.

    Single characters are left out, because most jobs contain them; single digits are kept, because they can be ids.
    """
    text = "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST]
    text = _COURSE_URL.sub(r"\1", _JOB_URL.sub(r"\1", text)).translate(_QUOTES)
    found = (fold_text(quoted or plain).strip(' "') for quoted, plain in _WORD.findall(text))
    return [word for word in found if len(word) > 1 or as_id(word) is not None][:WORDS_MOST]


def matching(text: str, *, scanned: bool) -> Q:
    """Return the condition for the jobs in which every word of ``text`` occurs, or whose failure is explained by it.

    The condition is empty, so that all jobs match, if ``text`` has no words. ``scanned``: read the texts of the jobs
    instead of the text index.
    """
    words = words_in(text)
    if not words:
        return Q()
    contains = "search_text__contains_all_scanned" if scanned else "search_text__contains_all"
    # The text index finds all words that cannot be ids in one lookup.
    plain = [word for word in words if not _may_be_id(word)]
    wanted = Q(**{contains: plain}) if plain else Q()
    for word in words:
        if _may_be_id(word):
            in_text = Q(**{contains: [word]}) if len(word) > 1 else Q()
            wanted &= in_text | _with_id(word)
    return wanted | _explained_by(text)


@dataclass(frozen=True)
class Lookup:
    """How jobs are searched: by reading their texts, or by the text index."""

    reads_texts: bool = False
    # How many jobs the text index has for the words, at most COMMON; None if it was not asked.
    matches: int | None = None


def choose_lookup(words: list[str], jobs: JobQuerySet, *, restricted: bool) -> Lookup:
    """Return the faster way to find these words in these jobs. ``restricted``: ``jobs`` are only a part of all jobs.

    On SQLite, reading the texts is faster if the jobs are few or the words are common, because the text index makes it
    look up the job of each match. PostgreSQL decides this itself.
    """
    if not words or not has_sqlite_index():
        return Lookup()
    if restricted and _are_at_most(FEW_JOBS, jobs):
        return Lookup(reads_texts=True)
    matches = count_matches(words, COMMON)
    if not matches:
        return Lookup(matches=matches)
    reads_texts = matches == COMMON or (restricted and _are_at_most(ROWS_PER_MATCH * matches, jobs))
    return Lookup(reads_texts, matches)


def _are_at_most(number: int, jobs: JobQuerySet) -> bool:
    return jobs.order_by()[: number + 1].count() <= number


def names_a_job(text: str) -> bool:
    """Return whether the text contains a complete id of a job."""
    return any(len(word) == ID_LENGTH and _START_OF_ID.fullmatch(word) for word in words_in(text))


def _may_be_id(word: str) -> bool:
    return as_id(word) is not None or _START_OF_ID.fullmatch(word) is not None


def _with_id(word: str) -> Q:
    found = Q()
    if _START_OF_ID.fullmatch(word):
        # A range condition, for which every database uses the index of ids.
        found |= Q(id__gte=word, id__lte=f"{word}g")
    if (number := as_id(word)) is not None:
        found |= Q(source_id=number) | Q(course_id=number)
    return found


def _explained_by(text: str) -> Q:
    """Return the condition for the failed jobs whose explanation contains ``text``.

    The condition is empty if ``text`` is shorter than A_SENTENCE, or if no explanation contains it.
    """
    sought = fold_text(" ".join(text.split()))
    if len(sought) < A_SENTENCE:
        return Q()
    codes = [code for code, words in EXPLANATIONS.items() if sought in fold_text(f"{words.happened} {words.means}")]
    return Q(state=State.FAILED, failure_code__in=codes) if codes else Q()
