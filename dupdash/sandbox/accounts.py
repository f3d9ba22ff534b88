"""Defines the tokens and passwords of the sandbox. All of them are public, because the sandbox protects nothing."""

import hashlib
from dataclasses import dataclass

from dupdash.sandbox.records import User
from dupdash.sandbox.state import State

PASSWORD = "sandbox-Passw0rd"  # noqa: S105 - of every account

ADMIN_TOKEN = "5a9db0c5000000000000000000000001"  # noqa: S105
# The token of a manager, who may copy and delete everywhere but cannot enter the site in maintenance mode.
MANAGER_TOKEN = "5a9db0c5000000000000000000000002"  # noqa: S105
# The token of an administrator for a service that can only read courses and duplicate them.
LIMITED_TOKEN = "5a9db0c5000000000000000000000003"  # noqa: S105

SERVICES = ("dupdash", "moodle_mobile_app")

NOT_IN_LIMITED = frozenset({"core_course_delete_courses", "core_course_create_courses", "core_course_update_courses"})


@dataclass(frozen=True)
class Session:
    """A token's user, and the functions that are missing in the token's service."""

    user: User
    lacks: frozenset[str] = frozenset()


def session_for(state: State, token: str) -> Session | None:
    if token == LIMITED_TOKEN:
        return Session(state.users[2], NOT_IN_LIMITED)
    for user in state.users.values():
        if token == token_of(user):
            return Session(user)
    return None


def token_of(user: User) -> str:
    if user.role == "admin":
        return ADMIN_TOKEN
    if user.role == "manager":
        return MANAGER_TOKEN
    return hashlib.md5(f"sandbox token of {user.username}".encode(), usedforsecurity=False).hexdigest()
