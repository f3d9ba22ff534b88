"""Simulates how the Moodle plugin of this project makes one copy.

The copy is hidden and has its final names until it is complete. A failed or cancelled copy is deleted.
"""

import threading
from typing import Any

from dupdash.sandbox.duplication import Copy, Mishaps
from dupdash.sandbox.errors import SimulatedError
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.running_copies import Copies


class Cancelled(SimulatedError):
    """The copy was cancelled. It notices this when it next reports its progress."""

    def __init__(self) -> None:
        super().__init__(r"core\exception\moodle_exception", "cancelled", "The duplication was cancelled.")


class PluginCopy(Copy):
    """A copy that has its final names from the start, is hidden until it is complete, and is deleted if it fails."""

    # The file of each backup has a unique name.
    file_is_shared = False

    def __init__(self, copies: Copies, request: CopyRequest, source: Course, mishaps: Mishaps) -> None:
        super().__init__(copies, request, source, mishaps)
        self.stop_it = threading.Event()

    def _fail(self, error: SimulatedError) -> None:
        self.remove()
        super()._fail(error)

    def remove(self) -> None:
        if self.courseid is not None:
            self._state.delete(self.courseid)
            self.courseid = None

    def _add(self, columns: dict[str, Any]) -> Course:
        return self._state.add(**columns)

    def _make_context(self) -> None:
        """Do nothing, because the plugin creates the context in the same transaction as the course."""

    def _take_over_source(self) -> None:
        """Take over the settings of the source. Unlike in Moodle's own copy, the names are final already."""
        self._change(**self._columns_of_source())

    def _leave(self, step: str) -> None:
        super()._leave(step)
        self._notice_cancellation()

    def _spend(self, step: str, share: float) -> None:
        self._notice_cancellation()
        super()._spend(step, share)
        self._notice_cancellation()

    def _notice_cancellation(self) -> None:
        if self.stop_it.is_set():
            raise Cancelled
