"""Simulates the duplications of the Moodle plugin of this project (``--plugin``).

Each duplication has a row and a task in Moodle's queue. A simulated cron runs the tasks and can be stopped. A clean-up
task finds the rows of processes that were killed, and removes their copies.
"""

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from dupdash.sandbox.asynchronous import (
    AWAITING,
    EXECUTING,
    FINISHED_ERR,
    FINISHED_OK,
    PHASE_BACKUP,
    PHASE_RESTORE,
    QUEUED_FOR,
    Progress,
    overall_progress,
)
from dupdash.sandbox.copy_report import report_on
from dupdash.sandbox.duplication import Mishaps
from dupdash.sandbox.errors import invalid_parameter
from dupdash.sandbox.plugin_copy import Cancelled, PluginCopy
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.running_copies import Copies
from dupdash.sandbox.timing import Pace, Stopped

# The clean-up task runs every minute.
REAPED_AFTER = 60.0
# A waiting thread checks after this many seconds whether the sandbox is stopping.
POLL_SECONDS = 0.05

STATUS = {"queued": AWAITING, "running": EXECUTING, "succeeded": FINISHED_OK}


@dataclass
class Row:
    """The row of one duplication in the plugin's table."""

    id: str
    userid: int
    request: CopyRequest
    source: Course
    mishaps: Mishaps
    params: dict[str, Any]
    state: str = "queued"
    phase: int = PHASE_BACKUP
    progress: float = 0.0
    courseid: int | None = None
    failurecode: str | None = None
    failuremessage: str | None = None
    cancelled: bool = False
    report: dict[str, Any] | None = None
    copy: PluginCopy | None = None
    timecreated: int = field(default_factory=lambda: int(time.time()))
    timemodified: int = field(default_factory=lambda: int(time.time()))
    timestarted: int | None = None
    timefinished: int | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def status(self) -> int:
        return STATUS.get(self.state, FINISHED_ERR)


class PluginDuplications:
    """All duplications that were started, the queue of Moodle's tasks, and the simulated cron."""

    def __init__(self, copies: Copies, pace: Pace) -> None:
        self._copies = copies
        self._pace = pace
        self._rows: dict[str, Row] = {}
        self._queue: list[str] = []
        self._changed = threading.Condition(threading.RLock())
        self._cron_runs = True
        self._cron_stopped_at = 0
        # How many other tasks are in the queue, which run before every duplication, and how many of our tasks cron runs
        # at the same time.
        self.tasks_of_others = 0
        self.at_once = 8

    # Cron

    @property
    def cron_runs(self) -> bool:
        return self._cron_runs

    @cron_runs.setter
    def cron_runs(self, runs: bool) -> None:
        with self._changed:
            if self._cron_runs and not runs:
                self._cron_stopped_at = int(time.time())
            self._cron_runs = runs
            self._changed.notify_all()

    @property
    def cron_last_run(self) -> int:
        return int(time.time()) if self._cron_runs else self._cron_stopped_at

    # What the services do

    def start(self, userid: int, params: dict[str, Any], request: CopyRequest, source: Course, mishaps: Mishaps) -> str:
        row = Row(secrets.token_hex(16), userid, request, source, mishaps, params)
        with self._changed:
            self._rows[row.id] = row
            self._queue.append(row.id)
        threading.Thread(target=self._work, args=(row,), name=row.id, daemon=True).start()
        return row.id

    def started_with(self, userid: int, params: dict[str, Any]) -> str | None:
        """Return the id that an earlier call with this idempotency key got; None without such a call.

        Raises Moodle's error if the earlier call had other parameters.
        """
        key = params["idempotencykey"]
        with self._changed:
            mine = (row for row in self._rows.values() if row.userid == userid)
            row = next((row for row in mine if key and row.params["idempotencykey"] == key), None)
        if row is not None and row.params != params:
            raise invalid_parameter()
        return row.id if row is not None else None

    def row(self, duplicateid: str) -> Row | None:
        """Return the row of a duplication, with the current progress of its copy; None for an unknown id."""
        with self._changed:
            row = self._rows.get(duplicateid)
            if row is not None and row.state == "running" and row.copy is not None:
                self._note_progress(row, overall_progress(row.copy))
            return row

    def unfinished(self) -> list[Row]:
        with self._changed:
            return [row for row in self._rows.values() if row.is_unfinished]

    def ahead(self, row: Row) -> int:
        with self._changed:
            return self.tasks_of_others + self._queue.index(row.id) if row.id in self._queue else 0

    def cancel(self, row: Row) -> None:
        with self._changed:
            if not row.is_unfinished:
                return
            row.cancelled = True
            if row.state == "queued":
                self._end(row, "cancelled", "cancelled", "The duplication was cancelled.")
            elif row.copy is not None:
                row.copy.stop_it.set()

    def other_than(self, duplicateid: str) -> str:
        """Return the id of another duplication, or an unknown id if there is no other."""
        with self._changed:
            return next((other for other in self._rows if other != duplicateid), secrets.token_hex(16))

    # The task

    def _work(self, row: Row) -> None:
        try:
            self._pace.wait(QUEUED_FOR)
            if not self._wait_for_turn(row):
                return
            copy = PluginCopy(self._copies, row.request, row.source, row.mishaps)
            with self._changed:
                row.copy = copy
                if row.cancelled:
                    copy.stop_it.set()
            self._copies.launch(copy)
            copy.ended.wait()
            self._conclude(row, copy)
        except Stopped:
            return

    def _wait_for_turn(self, row: Row) -> bool:
        with self._changed:
            while row.state == "queued":
                running = sum(other.state == "running" for other in self._rows.values())
                if self._cron_runs and running < self.at_once and self._queue[:1] == [row.id]:
                    self._queue.remove(row.id)
                    row.state, row.timestarted = "running", int(time.time())
                    self._changed.notify_all()
                    return True
                self._wait()
            return False

    def _wait(self) -> None:
        self._changed.wait(POLL_SECONDS)
        if self._pace.stopping.is_set():
            raise Stopped

    def _conclude(self, row: Row, copy: PluginCopy) -> None:
        if copy.killed:
            self._reap(row, copy)
            return
        with self._changed:
            if copy.error is not None:
                state = "cancelled" if isinstance(copy.error, Cancelled) else "failed"
                self._end(row, state, copy.error.errorcode or "Error", copy.error.message)
            else:
                row.courseid, row.phase, row.progress = copy.courseid, PHASE_RESTORE, 1.0
                row.report = report_on(row.source, self._copies.state.course(copy.courseid or 0))
                self._end(row, "succeeded")

    def _reap(self, row: Row, copy: PluginCopy) -> None:
        if self._pace.stopping.is_set():
            return
        self._pace.wait(REAPED_AFTER)
        with self._changed:
            while not self._cron_runs:
                self._wait()
            copy.remove()
            self._end(row, "failed", "processdied", "The process that made the copy ended unexpectedly.")

    def _note_progress(self, row: Row, now: Progress) -> None:
        row.phase = max(row.phase, now.phase)
        if now.progress > row.progress:
            row.progress, row.timemodified = now.progress, int(time.time())

    def _end(self, row: Row, state: str, code: str | None = None, message: str | None = None) -> None:
        if row.id in self._queue:
            self._queue.remove(row.id)
        row.state, row.failurecode, row.failuremessage = state, code, message
        row.timemodified = row.timefinished = int(time.time())
        self._changed.notify_all()
