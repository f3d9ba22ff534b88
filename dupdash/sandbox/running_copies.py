"""Keeps the running copies, and what they share: the state, the gates, the counters and the writing of backups."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from dupdash.sandbox.call_counter import Calls
from dupdash.sandbox.duplication import NOTHING_WRONG, Copy, Mishaps
from dupdash.sandbox.errors import SimulatedError, restore_capability_missing, stored_file_not_created, write_failed
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import Gates, Pace
from dupdash.sandbox.validation import context_id, temporary_names


class Copies:
    """All running copies, and the state that they share."""

    def __init__(self, state: State, pace: Pace, collision_window: float, seed: str) -> None:
        self.state = state
        self.pace = pace
        self.gates = Gates(pace.stopping)
        self.calls = Calls()
        # The share of a backup's duration in which its file is written. ``Sandbox`` defines the default.
        self.collision_window = collision_window
        self._writing: set[int] = set()
        self._running: list[Copy] = []
        self._changed = threading.Condition()
        self._random = random.Random(seed)  # noqa: S311 - nothing secret

    def start(self, request: CopyRequest, source: Course, mishaps: Mishaps = NOTHING_WRONG) -> Copy:
        copy = Copy(self, request, source, mishaps)
        self.launch(copy)
        return copy

    def start_by_hand(self, source: Course, categoryid: int) -> Copy:
        """Start a restore as a person does on Moodle's pages: the copy keeps its temporary names."""
        fullname, shortname = temporary_names(self.state, source, None)
        request = CopyRequest(source.id, fullname, shortname, categoryid)
        copy = Copy(self, request, source, NOTHING_WRONG, by_hand=True)
        self.launch(copy)
        return copy

    def launch(self, copy: Copy) -> None:
        if not copy.by_hand:
            self.calls.count(self.calls.started, copy.request.shortname)
        with self._changed:
            self._running.append(copy)
            self.calls.count_running(sum(not running.by_hand for running in self._running))
        copy.start()

    def forget(self, copy: Copy) -> None:
        with self._changed:
            self._running.remove(copy)
            self._changed.notify_all()

    def announce(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def running(self) -> int:
        return len(self._running)

    def all(self) -> list[Copy]:
        with self._changed:
            return list(self._running)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for ``condition``, which is checked whenever a copy enters a step or ends. Returns whether it holds."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def look_up(self, courses: Iterable[Course], shortname: str | None = None) -> None:
        """Report that a request reads these courses or searches for a short name, which can break running copies."""
        for course in courses:
            if self.state.touch(course.id):
                self.calls.count(self.calls.disturbed, course.requested)
        if shortname is not None and any(
            copy.request.shortname.casefold() == shortname.casefold() and not copy.by_hand for copy in self.all()
        ):
            self.calls.count(self.calls.watched, shortname)

    def disturbance(self) -> SimulatedError:
        """Return one of the two errors with which a restore fails after a lookup (measured)."""
        with self._changed:
            return self._random.choice((write_failed(), restore_capability_missing()))

    def jitter(self) -> float:
        with self._changed:
            return self._random.uniform(0.9, 1.1)

    @contextmanager
    def writing(self, sourceid: int) -> Iterator[None]:
        """Write ``backup.mbz`` in the source's file area. Two backups of one source that write at once collide."""
        with self._changed:
            if sourceid in self._writing:
                raise stored_file_not_created(context_id(sourceid))
            self._writing.add(sourceid)
        try:
            yield
        finally:
            with self._changed:
                self._writing.discard(sourceid)
