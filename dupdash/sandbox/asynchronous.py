"""Simulates the two web services proposed in MDL-64916, which no Moodle has built in (``--proposed``).

The progress is as irregular as that of Moodle's own course copy (``trace_copy_progress.json``): ``progress`` belongs to
one phase, starts again in the second phase, jumps to 1 and drops again.
"""

import secrets
import threading
from dataclasses import dataclass

from dupdash.sandbox.duplication import Copy, Mishaps
from dupdash.sandbox.records import CopyRequest, Course
from dupdash.sandbox.running_copies import Copies
from dupdash.sandbox.timing import BACKUP, CONTENT, HIDDEN, NEWBORN, SHARES, STEPS, Pace, Stopped

PHASE_BACKUP, PHASE_RESTORE = 1, 2

# backup::STATUS_*
REQUIRE_CONV, NEED_PRECHECK, AWAITING, EXECUTING, FINISHED_ERR, FINISHED_OK = 200, 600, 700, 800, 900, 1000

# Moodle starts a queued copy at the next run of cron. In the sandbox cron runs all the time.
QUEUED_FOR = 0.5


@dataclass(frozen=True)
class Progress:
    phase: int
    status: int
    progress: float


class Duplications:
    """Every duplication that was started, by its id."""

    def __init__(self, copies: Copies, pace: Pace) -> None:
        self._copies = copies
        self._pace = pace
        self._running: dict[str, Copy | None] = {}
        self._ended: dict[str, Progress] = {}
        self._lock = threading.Lock()

    def start(self, request: CopyRequest, source: Course, mishaps: Mishaps) -> str:
        duplicateid = secrets.token_hex(16)
        with self._lock:
            self._running[duplicateid] = None
        threading.Thread(
            target=self._run, args=(duplicateid, request, source, mishaps), name=duplicateid, daemon=True
        ).start()
        return duplicateid

    def _run(self, duplicateid: str, request: CopyRequest, source: Course, mishaps: Mishaps) -> None:
        try:
            self._pace.wait(QUEUED_FOR)
        except Stopped:
            return
        copy = self._copies.start(request, source, mishaps)
        with self._lock:
            self._running[duplicateid] = copy
        copy.ended.wait()
        if copy.killed:
            return  # No process is left that could record the end of the copy, so the record stays as it was.
        with self._lock:
            self._running.pop(duplicateid, None)
            self._ended[duplicateid] = _outcome(copy)

    def progress(self, duplicateid: str) -> Progress | None:
        with self._lock:
            if duplicateid in self._ended:
                return self._ended[duplicateid]
            if duplicateid not in self._running:
                return None
            copy = self._running[duplicateid]
        if copy is None:
            return Progress(PHASE_BACKUP, AWAITING, 0)
        return _progress(copy)

    def other_than(self, duplicateid: str) -> str:
        """Return the id of another duplication, or an unknown id if there is no other."""
        with self._lock:
            return next(
                (other for other in (*self._running, *self._ended) if other != duplicateid), secrets.token_hex(16)
            )

    def clear(self) -> None:
        with self._lock:
            self._running.clear()
            self._ended.clear()


def _outcome(copy: Copy) -> Progress:
    if copy.error is None:
        return Progress(PHASE_RESTORE, FINISHED_OK, 1)
    return Progress(PHASE_BACKUP if copy.courseid is None else PHASE_RESTORE, FINISHED_ERR, 1)


def _progress(copy: Copy) -> Progress:
    share = copy.step_progress
    if copy.step is None:
        return Progress(PHASE_BACKUP, AWAITING, 0)
    if copy.step == BACKUP:
        return Progress(PHASE_BACKUP, EXECUTING, round(0.95 * share, 14))
    if copy.step in (NEWBORN, HIDDEN):
        return Progress(PHASE_RESTORE, REQUIRE_CONV, 0)
    if copy.step == CONTENT:
        return Progress(PHASE_RESTORE, EXECUTING, 0.99943800159049)
    for until, status in ((0.1, NEED_PRECHECK), (0.2, AWAITING), (0.35, EXECUTING)):
        if share < until:
            return Progress(PHASE_RESTORE, status, 1)
    return Progress(PHASE_RESTORE, EXECUTING, round(0.9 * share, 14))


def overall_progress(copy: Copy) -> Progress:
    """Return the progress of the whole duplication, which never decreases and is 1 only at the end."""
    if copy.step is None:
        return Progress(PHASE_BACKUP, AWAITING, 0)
    if copy.step == NEWBORN:
        return Progress(PHASE_RESTORE, EXECUTING, SHARES[BACKUP])
    before = sum(SHARES[step] for step in STEPS[: STEPS.index(copy.step)])
    overall = before + SHARES[copy.step] * copy.step_progress
    phase = PHASE_BACKUP if copy.step == BACKUP else PHASE_RESTORE
    return Progress(phase, EXECUTING, round(min(0.99, overall), 14))
