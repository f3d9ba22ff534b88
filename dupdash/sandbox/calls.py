"""How often ``core_course_duplicate_course`` was asked for what."""

from __future__ import annotations

import threading
from collections import Counter


class Calls:
    """How often each short name was asked for, under its case-folded form.

    ``asked``: calls that reached PHP. ``started``: those that began a backup. ``created``: those that made a
    course row. ``refused``: those that were answered with the proof that nothing was created, the answer
    undamaged. So ``asked - refused`` above 1 is a short name that was sent again after it may have started.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.started: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, which: Counter[str], shortname: str) -> None:
        with self._lock:
            which[shortname.casefold()] += 1

    def clear(self) -> None:
        with self._lock:
            for counter in (self.asked, self.started, self.created, self.refused):
                counter.clear()
