"""Simulates how the Moodle plugin of this project makes one copy.

The copy is hidden and has its final names until it is complete. A failed or cancelled copy is removed.
"""

from __future__ import annotations

import threading
from typing import Any

from dupdash.sandbox.copies import Copies
from dupdash.sandbox.duplication import Copy, Killed, Mishaps
from dupdash.sandbox.errors import MoodleError, stored_file_not_created
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.timing import BACKUP, SHARES, Stopped
from dupdash.sandbox.validation import context_id


class Cancelled(Exception):
    """The copy was cancelled. It notices this when it next reports its progress."""


class PluginCopy(Copy):
    """A copy that has its final names from the start, is hidden until it is complete, and is removed if it fails."""

    cancelled = False

    def __init__(self, copies: Copies, request: CopyRequest, source: Course, mishaps: Mishaps) -> None:
        super().__init__(copies, request, source, mishaps)
        self.stop_it = threading.Event()

    def run(self) -> None:
        try:
            self._back_up()
            self._restore()
        except MoodleError as error:
            self.remove()
            self.error = error
        except Cancelled:
            self.remove()
            self.cancelled = True
        except (Killed, Stopped):
            self.killed = True
        finally:
            self._copies.forget(self)
            self.ended.set()

    def remove(self) -> None:
        if self.courseid is not None:
            self._state.delete(self.courseid)
            self.courseid = None

    def _back_up(self) -> None:
        """Make the backup. Its file has a unique name, so two backups of one source never collide."""
        self._enter(BACKUP)
        self._spend(BACKUP, SHARES[BACKUP])
        self._leave(BACKUP)
        if self._mishaps.collides:
            raise stored_file_not_created(context_id(self.source.id))

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
