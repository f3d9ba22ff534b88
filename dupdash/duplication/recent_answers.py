"""Caches answers of Moodle for up to a minute, in the memory of the process.

It caches only answers that are no evidence about a copy: the site info, and the contents of a source.
"""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Contents

T = TypeVar("T")

AGE_LONGEST = 60.0
# The contents of a large course take several hundred kB.
ANSWERS_MOST = 50

_answers: dict[Hashable, tuple[float, Any]] = {}


def recent(key: Hashable, read: Callable[[], T]) -> T:
    """Return the cached answer with this key if it is not too old, or else call ``read`` for a new one.

    An error of ``read`` is raised and not cached.
    """
    cached = _answers.get(key)
    now = time.monotonic()
    if cached is not None and now - cached[0] < AGE_LONGEST:
        answer: T = cached[1]
        return answer
    answer = read()
    if len(_answers) >= ANSWERS_MOST:
        _answers.clear()
    _answers[key] = (now, answer)
    return answer


def recent_contents(client: MoodleClient, course_id: int) -> Contents:
    """Return the contents of a source, which may be up to a minute old. Raises MoodleError."""
    return recent(("contents", client.site_url, course_id), lambda: client.contents(course_id))


def forget() -> None:
    """Empty the cache, because Moodle may have changed."""
    _answers.clear()
