"""One box for all that somebody may know of a copy: a name, a person, an id, a course, what went wrong."""

import re
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db.models import Q

from dupdash.duplication.explanations import EXPLANATIONS
from dupdash.duplication.models import JobQuerySet
from dupdash.duplication.request import as_id
from dupdash.duplication.search_text import fold_text

LONGEST = 200
MOST_WORDS = 8
# A word in quotation marks may hold blanks.
_WORD = re.compile(r'"([^"]+)"|(\S+)')
_START_OF_ID = re.compile(r"[0-9a-f]{6,32}")
# Shorter than this, a piece of an explanation is a word like any other.
A_SENTENCE = 12


def search(jobs: JobQuerySet, text: str) -> JobQuerySet:
    """The jobs that have every word of ``text`` in them somewhere."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST].strip()
    words = [quoted or plain for quoted, plain in _WORD.findall(text)][:MOST_WORDS]
    if not words:
        return jobs
    named = _people_by_name(jobs)
    wanted = Q()
    for word in words:
        wanted &= _about(word, named)
    return jobs.filter(wanted | _explained_by(text))


def _about(word: str, named: dict[int, str]) -> Q:
    sought = fold_text(word)
    found = Q(search_text__contains=sought)
    if people := [person_id for person_id, name in named.items() if sought in name]:
        found |= Q(requester_id__in=people)
    if _START_OF_ID.fullmatch(sought):
        found |= Q(id__startswith=sought)
    if course_id := as_id(word):
        found |= Q(source_id=course_id) | Q(course_id=course_id)
    return found


def _people_by_name(jobs: JobQuerySet) -> dict[int, str]:
    """All that those who asked for copies are called. Folded here: names may change, and are not kept with jobs."""
    people: Iterable[User] = User.objects.filter(id__in=jobs.order_by().values("requester_id")).only(
        "username", "first_name", "last_name", "email"
    )
    return {person.pk: fold_text(f"{person.get_full_name()}\n{person.username}\n{person.email}") for person in people}


def _explained_by(text: str) -> Q:
    """The failures that the page of a job explains in these very words."""
    sought = fold_text(text)
    if len(sought) < A_SENTENCE:
        return Q(pk__in=[])
    codes = [code for code, words in EXPLANATIONS.items() if sought in fold_text(f"{words.happened} {words.means}")]
    return Q(failure_code__in=codes)
