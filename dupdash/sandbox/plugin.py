"""Simulates duplications as the Moodle plugin of this project makes them (``--native``).

Each duplication has a row and a task in Moodle's queue. A simulated cron runs the tasks and can be stopped. The copy is
hidden and has its final names until it is complete. A failed copy is removed. A clean-up task finds the rows of
processes that were killed, and removes their copies in the same way.
"""

from __future__ import annotations

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
from dupdash.sandbox.duplication import Copies, Copy, Killed, Mishaps
from dupdash.sandbox.errors import MoodleError, invalid_parameter, stored_file_not_created, write_failed
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.timing import BACKUP, SHARES, Pace, Stopped
from dupdash.sandbox.validation import context_id

# The clean-up task runs every minute.
REAPED_AFTER = 60.0
# A waiting thread checks after this many seconds whether the sandbox is stopping.
POLL_SECONDS = 0.05

STATUS = {"queued": AWAITING, "running": EXECUTING, "succeeded": FINISHED_OK}


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

    def _create_row(self) -> None:
        if len(self.request.fullname) > 254 or len(self.request.shortname) > 255:
            raise write_failed()
        self.courseid = self._state.add(**self._first_columns()).id
        self._copies.calls.count(self._copies.calls.created, self.request.shortname)

    def _make_context(self) -> None:
        """Do nothing, because the plugin creates the context in the same transaction as the course."""

    def _rename_after_source(self) -> None:
        """Take over the settings of the source, but not its names: the copy already has its final names."""
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


@dataclass
class Row:
    """The row of one duplication in the plugin's table."""

    id: str
    userid: int
    request: CopyRequest
    source: Course
    mishaps: Mishaps
    params: dict[str, Any]
    key: str
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
        row = Row(secrets.token_hex(16), userid, request, source, mishaps, params, params["idempotencykey"])
        with self._changed:
            self._rows[row.id] = row
            self._queue.append(row.id)
        threading.Thread(target=self._work, args=(row,), name=row.id, daemon=True).start()
        return row.id

    def started_with(self, userid: int, params: dict[str, Any]) -> str | None:
        """Return the id that an earlier call with this idempotency key got. Its request must have been the same."""
        key = params["idempotencykey"]
        with self._changed:
            row = next((row for row in self._rows.values() if key and (row.userid, row.key) == (userid, key)), None)
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

    def progress(self, duplicateid: str) -> Progress | None:
        row = self.row(duplicateid)
        return Progress(row.phase, row.status, row.progress) if row is not None else None

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

    def lose_tasks(self) -> None:
        """Delete the waiting tasks, as an administrator could. The clean-up task then ends their rows."""
        with self._changed:
            for duplicateid in list(self._queue):
                self._end(self._rows[duplicateid], "failed", "taskgone", "The task of the duplication is gone.")

    def other_than(self, duplicateid: str) -> str:
        """Return the id of another duplication, or an unknown id if there is no other."""
        with self._changed:
            return next((other for other in self._rows if other != duplicateid), secrets.token_hex(16))

    def clear(self) -> None:
        with self._changed:
            self._rows.clear()
            self._queue.clear()
            self.cron_runs = True
            self.tasks_of_others = 0

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
            if copy.cancelled:
                self._end(row, "cancelled", "cancelled", "The duplication was cancelled.")
            elif copy.error is not None:
                self._end(row, "failed", copy.error.errorcode or "Error", copy.error.message)
            else:
                row.courseid, row.phase, row.progress = copy.courseid, PHASE_RESTORE, 1.0
                row.report = _report(row, self._copies.state.course(copy.courseid or 0))
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


def _report(row: Row, copy: Course | None) -> dict[str, Any] | None:
    """Return the report on a copy: old and new ids, what was not copied, and what still links to the source."""
    if copy is None:
        return None
    source = row.source
    pairs = list(zip(source.modules, copy.modules, strict=False))
    return {
        "sourcecourseid": source.id,
        "courseid": copy.id,
        "activities": [
            {
                "modname": old.modname,
                "oldcmid": old.id,
                "newcmid": new.id,
                "oldinstance": old.id - 600,
                "newinstance": new.id - 600,
            }
            for old, new in pairs
        ],
        "missing": _missing(source, copy),
        "pointing": [
            {
                "kind": "link",
                "cmid": new.id,
                "modname": new.modname,
                "name": new.name,
                "where": "url.externalurl",
                "url": f"/course/view.php?id={source.id}",
            }
            for old, new in [pair for pair in pairs if pair[0].modname == "url"][:1]
        ],
    }


def _missing(source: Course, copy: Course) -> list[dict[str, Any]]:
    counts = [("sections", "", len(source.sections), len(copy.sections))]
    for modname in sorted({module.modname for module in source.modules}):
        there = [sum(module.modname == modname for module in course.modules) for course in (source, copy)]
        counts.append(("activities", modname, *there))  # type: ignore[arg-type]
    for method in source.enrolment_methods:
        counts.append(("enrolmentmethods", method, 1, int(method in copy.enrolment_methods)))
    counts.append(("enrolledusers", "", len(source.enrolled), len(copy.enrolled)))
    counts.append(("roles", "editingteacher", len(source.teachers), len(copy.teachers)))
    counts.append(("roles", "student", len(source.students), len(copy.students)))
    return [
        {"kind": kind, "name": name, "source": before, "copy": after}
        for kind, name, before, after in counts
        if after < before
    ]
