"""Counts requests for copies and lookups that disturb them, and lists deleted courses, for tests."""

import threading
from collections import Counter
from typing import Any

from dupdash.sandbox.records import Course


class Calls:
    """Counts the calls that request copies, and the lookups that disturb them, by case-folded short name.

    ``asked``: calls that reached PHP. ``started``: calls that began a backup. ``created``: calls that created a course.
    ``refused``: calls whose undamaged answer proved that no course was created.
    So ``asked - refused`` above 1 means that a short name was requested again although its copy may have started.

    ``disturbed``: copies whose course a client looked up before the course had a context. ``watched``: lookups of a
    short name while a copy with this short name was running, even if they found nothing.

    ``most_at_once``: the maximum number of copies that ran at the same time, not counting restores by a person.

    ``deleted``: the courses that ``core_course_delete_courses`` deleted, each as it was before.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.started: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.disturbed: Counter[str] = Counter()
        self.watched: Counter[str] = Counter()
        self.deleted: list[dict[str, Any]] = []
        self.most_at_once = 0
        self._lock = threading.Lock()

    def count(self, which: Counter[str], shortname: str) -> None:
        with self._lock:
            which[shortname.casefold()] += 1

    def count_deletion(self, course: Course) -> None:
        what = {
            "id": course.id,
            "shortname": course.shortname,
            "origin": course.origin,
            "requested": course.requested,
            "visible": bool(course.visible),
            "complete": course.complete,
            "sections": len(course.sections),
            "modules": len(course.modules),
        }
        with self._lock:
            self.deleted.append(what)

    def count_running(self, copies: int) -> None:
        with self._lock:
            self.most_at_once = max(self.most_at_once, copies)
