"""The tables in a file: what differs from the seed, as JSON, replaced as a whole.

Written soon after a change, by a thread of its own that takes many changes together; a call that changed
something is answered only when its change is on disk, as with a database's commit.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dupdash.sandbox.asynchronous import Duplications, Progress
from dupdash.sandbox.records import Course, Module, Section
from dupdash.sandbox.state import State

FORMAT = 1


class UnusableStateFile(Exception):
    """The file is there and cannot be used; the message says why."""


class Storage:
    def __init__(self, path: Path, seed: str, state: State, duplications: Duplications) -> None:
        self._path = path
        self._seed = seed
        self._state = state
        self._duplications = duplications
        self._changes = 0
        self._written = 0
        self._closing = False
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._write_behind, name="sandbox storage", daemon=True)

    def start(self) -> None:
        self._load()
        self._write()
        self._state.on_change = self._note_change
        self._state.commit = self._wait_until_written
        self._thread.start()

    def stop(self) -> None:
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._thread.join(10)

    def _note_change(self) -> None:
        with self._turn:
            self._changes += 1
            self._turn.notify_all()

    def _wait_until_written(self) -> None:
        with self._turn:
            mine = self._changes
            self._turn.wait_for(lambda: self._written >= mine or self._closing, 10)

    def _write_behind(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._changes > self._written or self._closing)
                upto, closing = self._changes, self._closing
            self._write()
            with self._turn:
                self._written = upto
                self._turn.notify_all()
            if closing:
                return

    def _write(self) -> None:
        text = json.dumps(self._document(), ensure_ascii=False)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _document(self) -> dict[str, Any]:
        with self._state.lock:
            courses = {course.id: course for course in self._state.courses()}
            seeded = {course.id: course for course in self._state.university.courses}
            return {
                "format": FORMAT,
                "seed": self._seed,
                "next_course_id": self._state.next_course_id,
                "next_module_id": self._state.next_module_id,
                "next_section_id": self._state.next_section_id,
                "deleted": sorted(set(seeded) - set(courses)),
                "courses": [asdict(course) for course in courses.values() if seeded.get(course.id) != course],
                "duplications": {key: asdict(progress) for key, progress in self._duplications.all().items()},
            }

    def _load(self) -> None:
        if not self._path.exists():
            return
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise UnusableStateFile(f"{self._path} was written by another version of the sandbox")
            if document["seed"] != self._seed:
                raise UnusableStateFile(f"{self._path} belongs to the seed {document['seed']!r}")
            self._restore(document)
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableStateFile(f"{self._path} is not a state file of the sandbox") from error

    def _restore(self, document: dict[str, Any]) -> None:
        for courseid in document["deleted"]:
            self._state.delete(courseid)
        for columns in document["courses"]:
            self._state.put(_course(columns))
        self._state.next_course_id = document["next_course_id"]
        self._state.next_module_id = document["next_module_id"]
        self._state.next_section_id = document["next_section_id"]
        self._duplications.bring_back({key: Progress(**progress) for key, progress in document["duplications"].items()})


def _course(columns: dict[str, Any]) -> Course:
    sections = tuple(
        Section(**{**section, "modules": tuple(Module(**module) for module in section["modules"])})
        for section in columns["sections"]
    )
    people: dict[str, Callable[..., Any]] = {"teachers": tuple, "students": tuple}
    return Course(**{**columns, **{key: make(columns[key]) for key, make in people.items()}, "sections": sections})
