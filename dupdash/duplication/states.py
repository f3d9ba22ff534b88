"""The states of a job, their labels, and the allowed transitions between them."""

from django.db.models import TextChoices


class State(TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    CHECKING = "checking", "Checking"
    UNRESOLVED = "unresolved", "Unresolved"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Refused"


TRANSITIONS: dict[str, frozenset[str]] = {
    State.AWAITING_APPROVAL: frozenset({State.QUEUED, State.REJECTED, State.CANCELLED}),
    # Back to the approval if somebody undoes it before the job is dispatched.
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.AWAITING_APPROVAL}),
    # Back to queued only if Moodle cannot have started the copy; cancelled when the unwanted copy was deleted.
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CHECKING, State.QUEUED, State.CANCELLED}),
    # The answer or the worker was lost: dupdash checks in Moodle whether the copy was made.
    # Back to queued only after Moodle's own error, when the empty course that it left was deleted and is gone.
    State.CHECKING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNRESOLVED, State.QUEUED}),
    # The checks found no proof either way. A later check, a late answer or an administrator resolves it.
    # Cancelled when a later check found the unwanted copy and deleted it.
    State.UNRESOLVED: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.REJECTED: frozenset(),
}

TERMINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)
# A job in one of these states reserves its short name, and can be cancelled.
UNFINISHED = frozenset(TRANSITIONS) - TERMINAL
# A job in one of these states can be retried, once.
RETRYABLE = frozenset({State.FAILED, State.CANCELLED})
# Nobody needs to wait for a job any longer: it has ended, or a person must decide.
ENDED_OR_UNRESOLVED = TERMINAL | {State.UNRESOLVED}
# Moodle works on the copy, or may be working on it.
BUSY = frozenset({State.RUNNING, State.CHECKING})


class IllegalTransition(Exception):
    """A transition that TRANSITIONS does not allow: a bug, never a user error."""


def require_transition(from_state: str, to_state: str) -> None:
    """Raise IllegalTransition unless a job may go from ``from_state`` to ``to_state``."""
    if to_state not in TRANSITIONS[from_state]:
        raise IllegalTransition(f"A job cannot go from {from_state} to {to_state}.")
