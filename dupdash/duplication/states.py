"""The states of a job and the moves between them. Nothing else decides what may follow what."""

from django.db.models import TextChoices


class State(TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", "Waiting for approval"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    CHECKING = "checking", "Checking in Moodle"
    UNRESOLVED = "unresolved", "Unresolved"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Refused"


MOVES: dict[str, frozenset[str]] = {
    State.AWAITING_APPROVAL: frozenset({State.QUEUED, State.REJECTED, State.CANCELLED}),
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    # Back to queued only where nothing can have started; cancelled when its copy was removed.
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CHECKING, State.QUEUED, State.CANCELLED}),
    # An answer or a worker was lost: the truth is looked up in Moodle.
    State.CHECKING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNRESOLVED}),
    # Looked long enough, no proof either way: a later look, a late answer or an administrator settles it.
    # Cancelled when a later look found the copy whose removal was asked for, and removed it.
    State.UNRESOLVED: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.REJECTED: frozenset(),
}

TERMINAL = frozenset(state for state, moves in MOVES.items() if not moves)
# A job in one of these holds its short name.
UNFINISHED = frozenset(MOVES) - TERMINAL
# Moodle is busy, or may be: these count against MOODLE_CONCURRENCY.
BUSY = frozenset({State.RUNNING, State.CHECKING})


class IllegalMove(Exception):
    """A move that the table above does not have: a fault of the program, never of a person."""


def require_move(from_state: str, to_state: str) -> None:
    """Raise IllegalMove unless a job may go from ``from_state`` to ``to_state``."""
    if to_state not in MOVES[from_state]:
        raise IllegalMove(f"A job cannot go from {from_state} to {to_state}.")
