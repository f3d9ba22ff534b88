"""Computes the duration of copies and their steps, and lets tests hold copies in a step.

Measured on Moodle 4.5.6: 1 s for 5 activities, 6 s for 64, 45 s for 307, when a copy runs alone.
The shares of the steps are those of ``trace_sync_duplicate.json``. Copies slow each other down: 8.4, 12.7, 19.9 and
23.8 copies a minute at a concurrency of 1, 2, 4 and 8.
"""

import itertools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MEASURED = ((0, 0.6), (5, 1.0), (64, 6.0), (307, 45.0))

# The steps that can be seen from outside, in order, and the share of the time that each takes.
BACKUP, HIDDEN, RENAMED, CONTENT = "backup", "hidden", "renamed", "content"
# The step between backup and hidden: the course exists, but not its context. A lookup then breaks the copy.
NEWBORN = "newborn"
NEWBORN_SECONDS = 0.005
SHARES = {BACKUP: 0.512, HIDDEN: 0.051, RENAMED: 0.344, CONTENT: 0.093}
STEPS = tuple(SHARES)
HOLDABLE = (*STEPS, NEWBORN)


class Stopped(Exception):
    """The sandbox is shutting down."""


def seconds_for(activities: int) -> float:
    for (fewer, low), (more, high) in itertools.pairwise(MEASURED):
        if activities <= more or more == MEASURED[-1][0]:
            return low + (high - low) * (activities - fewer) / (more - fewer)
    raise AssertionError("MEASURED is empty")


def crowding(copies: int) -> float:
    """Return the factor by which each copy is slower while this many copies run."""
    return 1 + 0.25 * max(0, copies - 1)


class Pace:
    """Waits for durations, divided by the speed of the sandbox. A wait raises Stopped when the sandbox stops."""

    def __init__(self, speed: float) -> None:
        if not (speed > 0 and math.isfinite(speed)):
            raise ValueError("speed must be a number above 0")
        self.speed = speed
        self.stopping = threading.Event()

    def wait(self, seconds: float) -> None:
        if self.stopping.wait(seconds / self.speed):
            raise Stopped

    def wait_for_ever(self) -> None:
        self.stopping.wait()
        raise Stopped


class Gates:
    """Holds copies in steps. A copy that enters a held step waits there until the step is released."""

    def __init__(self, stopping: threading.Event) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()
        self._stopping = stopping

    def hold(self, *steps: str) -> None:
        unknown = set(steps) - set(HOLDABLE)
        if unknown:
            raise ValueError(f"no such step: {', '.join(sorted(unknown))}; known steps: {', '.join(HOLDABLE)}")
        with self._changed:
            self._held.update(steps)

    def release(self, *steps: str) -> None:
        """Release these steps, or all of them if none is named."""
        with self._changed:
            self._held.difference_update(steps or tuple(self._held))
            self._changed.notify_all()

    @contextmanager
    def held_at(self, *steps: str) -> Iterator[None]:
        self.hold(*steps)
        try:
            yield
        finally:
            self.release(*steps)

    def leave(self, step: str) -> None:
        with self._changed:
            # Wake up regularly to notice a stop, which sets an event and cannot notify this condition.
            while step in self._held and not self._stopping.is_set():
                self._changed.wait(0.1)
        if self._stopping.is_set():
            raise Stopped
