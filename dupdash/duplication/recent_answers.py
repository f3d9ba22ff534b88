"""Keeps answers of Moodle for up to a minute, in the memory of the process: reading them again would tell nothing new.

Only for answers that prove nothing about a copy: what the site is, and what a source contains.
"""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Contents

T = TypeVar("T")

MAX_AGE = 60.0
# The contents of a large course take some hundred kB.
ANSWERS_MOST = 50

_answers: dict[Hashable, tuple[float, Any]] = {}


def recent(key: Hashable, read: Callable[[], T]) -> T:
    """The answer that was kept under this key, or else a new one. ``read`` may raise; then nothing is kept."""
    kept = _answers.get(key)
    now = time.monotonic()
    if kept is not None and now - kept[0] < MAX_AGE:
        answer: T = kept[1]
        return answer
    answer = read()
    if len(_answers) >= ANSWERS_MOST:
        _answers.clear()
    _answers[key] = (now, answer)
    return answer


def recent_contents(client: MoodleClient, course_id: int) -> Contents:
    """The contents of a source. Raises MoodleError."""
    return recent(("contents", client.site_url, course_id), lambda: client.contents(course_id))


def forget() -> None:
    """Read everything anew: Moodle is not as it was, or may not be."""
    _answers.clear()
