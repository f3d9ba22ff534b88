"""Counts events in this process, and adds the counts to the database every few seconds.

A process that is killed loses what it counted since its last write: the counts are for monitoring, and nothing depends
on them.
"""

import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import F

from dupdash.telemetry.models import Counter

logger = logging.getLogger("dupdash.telemetry")

WRITE_INTERVAL = 10.0
"""Seconds between two writes of one process."""
MOODLE_CALLS = "moodle_calls"
"""Calls to Moodle: the subject is the web service function; the outcome "ok" or the class of the error."""
LEASES_LOST = "leases_lost"
"""Jobs whose worker failed, or was stopped during the job; neither subject nor outcome."""


@dataclass(frozen=True, order=True)
class Event:
    """A kind of event that is counted: the natural key of a row of ``Counter``."""

    name: str
    subject: str = ""
    outcome: str = ""


class Counters:
    """The events that this process has not written yet. Several threads may count at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten: dict[Event, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._written_at = float("-inf")

    def add(self, event: Event, seconds: float = 0) -> None:
        """Count one event that took ``seconds``."""
        with self._lock:
            self._add({event: (1, seconds)})

    def write_if_due(self) -> None:
        """Write the counts to the database if the last write is at least WRITE_INTERVAL seconds ago.

        Must not be called in a transaction.
        """
        with self._lock:
            due = bool(self._unwritten) and time.monotonic() - self._written_at >= WRITE_INTERVAL
        if due:
            self.write()

    def write(self) -> None:
        """Add the counts to the database. If the database cannot be written, the counts are kept for the next time."""
        with self._lock:
            counts = dict(self._unwritten)
            self._unwritten.clear()
            self._written_at = time.monotonic()
        try:
            with transaction.atomic():
                # In the same order in every process, so that no two processes wait for each other.
                for event, (count, seconds) in sorted(counts.items()):
                    row, _ = Counter.objects.get_or_create(
                        name=event.name, subject=event.subject, outcome=event.outcome
                    )
                    Counter.objects.filter(pk=row.pk).update(count=F("count") + count, seconds=F("seconds") + seconds)
        except DatabaseError as error:
            logger.info("the counters could not be written, and are kept: %s", error)
            with self._lock:
                self._add(counts)

    def _add(self, counts: dict[Event, tuple[int, float]]) -> None:
        for event, (count, seconds) in counts.items():
            before = self._unwritten[event]
            self._unwritten[event] = (before[0] + count, before[1] + seconds)


COUNTERS = Counters()
