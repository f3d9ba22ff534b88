"""Defines a call of a web service function: its user, its parameters, and the faults that apply."""

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

VERSION = "2024100706"  # The version of the functions and of Moodle 4.5.6.


class GaveUp(Exception):
    """A proxy between the client and Moodle stopped waiting for Moodle's answer."""


class Died(Exception):
    """The PHP process died without an answer."""


@dataclass(frozen=True)
class Call:
    """The call that a function answers. ``params`` are validated."""

    moodle: Moodle
    session: Session
    params: dict[str, Any]
    # The share of the copy after which a proxy stops waiting for Moodle's answer; None for never.
    gives_up_at: float | None = None
    mishaps: Mishaps = NOTHING_WRONG
    persons_restore: bool = False
    offered: tuple[str, ...] = field(default=())
    # ``moodlewssettingraw``: send names as they are stored.
    raw: bool = False

    @property
    def user(self) -> User:
        return self.session.user

    def name(self, text: str) -> str:
        """Return a name in the form that the caller requested: raw or formatted."""
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
        """Return whether lists show the course to this user. Everybody sees visible courses."""
        return bool(course.visible) or self.may_enter(course)


@dataclass(frozen=True)
class ServiceFunction:
    """A web service function: its name, its parameters and its implementation."""

    name: str
    parameters: Single
    run: Callable[[Call], Any]
