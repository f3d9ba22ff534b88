"""The sandbox's tokens and passwords. All of them are public: the sandbox protects nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dupdash.sandbox.records import User
from dupdash.sandbox.state import State

PASSWORD = "sandbox-Passw0rd"  # noqa: S105 - of every account

ADMIN_TOKEN = "5a9db0c5000000000000000000000001"  # noqa: S105
# Of a manager, who may copy and delete everywhere but is not a site administrator: maintenance mode locks it out.
MANAGER_TOKEN = "5a9db0c5000000000000000000000002"  # noqa: S105
# Of an administrator, for a service whose only function that changes courses is duplicating.
LIMITED_TOKEN = "5a9db0c5000000000000000000000003"  # noqa: S105

SERVICES = ("dupdash", "moodle_mobile_app")

NOT_IN_LIMITED = frozenset({"core_course_delete_courses", "core_course_create_courses", "core_course_update_courses"})


@dataclass(frozen=True)
class Session:
    """The user of a token, and the functions that the token's service lacks."""

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
