"""One call of one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dupdash.sandbox.accounts import Session
from dupdash.sandbox.duplication import NOTHING_WRONG, Mishaps
from dupdash.sandbox.errors import require_login
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.parameters import Single
from dupdash.sandbox.protocol import escape_name
from dupdash.sandbox.records import Course, User

VERSION = "2024100706"  # of the functions, and of Moodle 4.5.6


class GaveUp(Exception):
    """Whoever stands between client and Moodle did not wait for Moodle's answer."""


class Died(Exception):
    """The PHP process is gone, and with it the answer."""


@dataclass(frozen=True)
class Call:
    moodle: Moodle
    session: Session
    params: dict[str, Any]
    # Which share of a copy somebody in between waits for; None: to the end.
    patience: float | None = None
    mishaps: Mishaps = NOTHING_WRONG
    persons_restore: bool = False
    offered: tuple[str, ...] = field(default=())
    # ``moodlewssettingraw``: names as they are stored.
    raw: bool = False

    @property
    def user(self) -> User:
        return self.session.user

    def name(self, text: str) -> str:
        """A name as the caller wants it."""
        return text if self.raw else escape_name(text)

    def may_enter(self, course: Course) -> bool:
        user = self.user
        return (
            user.sees_everything or user.id in course.teachers or (bool(course.visible) and user.id in course.enrolled)
        )

    def must_enter(self, course: Course) -> None:
        if not self.may_enter(course):
            raise require_login()

    def may_see(self, course: Course) -> bool:
        """In a list: everybody sees what is visible."""
        return bool(course.visible) or self.may_enter(course)


@dataclass(frozen=True)
class ServiceFunction:
    name: str
    parameters: Single
    run: Callable[[Call], Any]
    version: str = VERSION
