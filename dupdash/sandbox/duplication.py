"""Simulates ``core_course_duplicate_course`` with the steps that ``trace_sync_duplicate.json`` shows:

1. backup: the new course does not exist yet;
2. newborn: for some milliseconds the new course has no context, and a lookup breaks the copy;
3. hidden: the new course is hidden, and has the requested names and no sections;
4. renamed: restore has given the course a temporary name and made it visible;
5. content: all sections and activities appear at once;
6. end: restore sets the requested names and visibility again.

Each copy runs in a thread, like a PHP process in Moodle: it continues after the client has disconnected.
"""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dupdash.sandbox.errors import SimulatedError, missing_record, stored_file_not_created, write_failed
from dupdash.sandbox.records import DEFAULT_ENROLMENT_METHODS, CopyRequest, Course, Section
from dupdash.sandbox.timing import (
    BACKUP,
    CONTENT,
    HIDDEN,
    NEWBORN,
    NEWBORN_SECONDS,
    RENAMED,
    SHARES,
    Stopped,
    crowding,
    seconds_for,
)
from dupdash.sandbox.validation import ENROLCONFIG, ROLE_ASSIGN, context_id, temporary_names

if TYPE_CHECKING:
    from dupdash.sandbox.running_copies import Copies

# The value of "enrolments" with which enrolment methods are copied even without people.
ENROLMENTS_ALWAYS = 2


class Killed(Exception):
    """The PHP process died without an answer and without cleaning up."""


@dataclass(frozen=True)
class Mishaps:
    """The faults that strike a copy."""

    slowness: float = 1.0
    dies_in: str | None = None  # The step in which the process dies or throws.
    error: SimulatedError | None = None  # The error that is thrown in this step, instead of dying.
    stalls_in: str | None = None
    collides: bool = False
    # Another program looks up the new course in its first milliseconds.
    disturbed: bool = False


NOTHING_WRONG = Mishaps()


class Copy(threading.Thread):
    """A running copy, which works in a thread of its own."""

    # Whether all backups of one source write the same file, so that two of them can collide.
    file_is_shared = True

    def __init__(
        self, copies: "Copies", request: CopyRequest, source: Course, mishaps: Mishaps, by_hand: bool = False
    ) -> None:
        super().__init__(name=f"copy of {source.shortname}", daemon=True)
        self.request = request
        self.source = source
        self.courseid: int | None = None
        self.step: str | None = None
        self.error: SimulatedError | None = None
        self.killed = False
        self.by_hand = by_hand
        self.ended = threading.Event()
        self._copies = copies
        self._state = copies.state
        self._pace = copies.pace
        self._mishaps = mishaps
        self._step_began = time.perf_counter()
        self._step_lasts = 0.0
        self._seconds = seconds_for(len(source.modules)) * copies.jitter() * mishaps.slowness

    @property
    def seconds(self) -> float:
        """The expected duration of the whole copy in seconds, at the current speed and with the other copies."""
        return self._seconds * crowding(self._copies.running()) / self._pace.speed

    @property
    def step_progress(self) -> float:
        """The progress of the current step, 0 to 1."""
        if not self._step_lasts:
            return 0.0
        return min(1.0, (time.perf_counter() - self._step_began) / self._step_lasts)

    @property
    def stalled(self) -> bool:
        """Whether the copy will make no progress until the sandbox stops."""
        return self.step is not None and self.step == self._mishaps.stalls_in

    def run(self) -> None:
        try:
            self._back_up()
            self._restore()
        except SimulatedError as error:
            self._fail(error)
        except (Killed, Stopped):
            self.killed = True
        finally:
            self._copies.forget(self)
            self.ended.set()

    def _fail(self, error: SimulatedError) -> None:
        error.left_a_course = self.courseid is not None
        self.error = error

    def _back_up(self) -> None:
        self._enter(BACKUP)
        writing = SHARES[BACKUP] * self._copies.collision_window if self.file_is_shared else 0.0
        self._spend(BACKUP, SHARES[BACKUP] - writing)
        self._leave(BACKUP)
        if self._mishaps.collides:
            raise stored_file_not_created(context_id(self.source.id))
        if writing:
            with self._copies.writing(self.source.id):
                self._spend(BACKUP, writing)

    def _restore(self) -> None:
        self._create_row()
        self._make_context()
        self._go_through(HIDDEN)
        self._take_over_source()
        self._go_through(RENAMED)
        self._change(sections=self._content())
        self._go_through(CONTENT)
        self._set_names_back()

    def _create_row(self) -> None:
        # Only the width of the columns limits the lengths (measured: dmlwriteexception).
        if len(self.request.fullname) > 254 or len(self.request.shortname) > 255:
            raise write_failed()
        self.courseid = self._add(self._first_columns()).id
        if not self.by_hand:
            self._copies.calls.count(self._copies.calls.created, self.request.shortname)

    def _add(self, columns: dict[str, Any]) -> Course:
        # A restore by a person creates the course with other names, which no client looks up.
        return self._state.add(**columns) if self.by_hand else self._state.add_newborn(**columns)

    def _first_columns(self) -> dict[str, Any]:
        """Return the columns of the new, hidden course. It has no start date yet (measured)."""
        now = int(time.time())
        return {
            "fullname": self.request.fullname,
            "shortname": self.request.shortname,
            "categoryid": self.request.categoryid,
            "visible": 0,
            "timecreated": now,
            "timemodified": now,
            "origin": "person" if self.by_hand else "copy",
            "requested": "" if self.by_hand else self.request.shortname,
            "complete": False,
        }

    def _make_context(self) -> None:
        """Create the context, a few milliseconds after the course.

        If a lookup has created the context first, the restore fails. It leaves a hidden course without contents that
        has the requested names (measured).
        """
        if self.by_hand or self.courseid is None:
            return
        self._step_lasts = NEWBORN_SECONDS / self._pace.speed
        self.step = NEWBORN
        self._copies.announce()
        self._pace.wait(NEWBORN_SECONDS)
        self._copies.gates.leave(NEWBORN)
        if self._state.end_newborn(self.courseid) or self._mishaps.disturbed:
            raise self._copies.disturbance()

    def _take_over_source(self) -> None:
        """Take over the settings of the source, and give the copy temporary names."""
        with self._state.lock:
            fullname, shortname = temporary_names(self._state, self.source, self.courseid)
            self._change(fullname=fullname, shortname=shortname, visible=1, **self._columns_of_source())

    def _columns_of_source(self) -> dict[str, Any]:
        """Return the columns that the restore copies from the source when it sets the temporary names (measured)."""
        return {
            "summary": self.source.summary,
            "format": self.source.format,
            "startdate": self.source.startdate if self.request.startdate is None else self.request.startdate,
            "enddate": self._end(),
            "timecreated": self.source.timecreated,
            "timemodified": self.source.timemodified,
            "filters_off": self.source.filters_off if self.request.option("filters") else (),
        }

    def _content(self) -> tuple[Section, ...]:
        moved = self.request.startdate is not None and self.source.startdate
        later = (self.request.startdate or 0) - self.source.startdate if moved else 0
        return self._state.copied_sections(self.source.sections, bool(self.request.option("activities")), later)

    def _set_names_back(self) -> None:
        if self.by_hand:
            self._change(complete=True)
            return
        self._change(
            fullname=self.request.fullname,
            shortname=self.request.shortname,
            visible=self.request.visible,
            idnumber=self.request.idnumber,
            **self._people(),
            complete=True,
        )

    def _end(self) -> int:
        """Return the requested end date, or else that of the source, moved by as much as the start date."""
        if self.request.enddate is not None:
            return self.request.enddate
        if self.request.startdate is None or not (self.source.startdate and self.source.enddate):
            return self.source.enddate
        return self.source.enddate + self.request.startdate - self.source.startdate

    def _people(self) -> dict[str, tuple[int, ...] | tuple[str, ...]]:
        """Return the people, roles and enrolment methods that the copy gets (measured)."""
        if self.request.option("enrolments") == ENROLMENTS_ALWAYS and not self.request.option("users"):
            return {"enrolment_methods": self.source.enrolment_methods}
        if not self.request.option("users"):
            return {"enrolment_methods": DEFAULT_ENROLMENT_METHODS}
        with_methods = self.request.option("enrolments") and ENROLCONFIG not in self.request.lacks
        methods = self.source.enrolment_methods if with_methods else ("manual",)
        if not (self.request.option("role_assignments") and ROLE_ASSIGN not in self.request.lacks):
            return {"without_role": self.source.enrolled, "enrolment_methods": methods}
        return {
            "teachers": self.source.teachers,
            "students": self.source.students,
            "without_role": self.source.without_role,
            "enrolment_methods": methods,
        }

    def _change(self, **columns: object) -> None:
        if self.courseid is None or self._state.change(self.courseid, **columns) is None:
            raise missing_record("course")

    # Time

    def _go_through(self, step: str) -> None:
        self._enter(step)
        self._spend(step, SHARES[step])
        self._leave(step)

    def _enter(self, step: str) -> None:
        self._step_began = time.perf_counter()
        self._step_lasts = self.seconds * SHARES[step]
        self.step = step
        self._copies.announce()

    def _leave(self, step: str) -> None:
        self._copies.gates.leave(step)

    def _spend(self, step: str, share: float) -> None:
        seconds = self._seconds * crowding(self._copies.running()) * share
        if self._mishaps.stalls_in == step:
            self._pace.wait_for_ever()
        if self._mishaps.dies_in == step:
            self._pace.wait(seconds / 2)
            self._copies.gates.leave(step)
            raise self._mishaps.error or Killed
        self._pace.wait(seconds)
