"""Creates ids that cannot be guessed."""

import uuid


def new_id() -> str:
    """Return a new id of 32 hexadecimal characters (RFC 9562, version 4)."""
    return uuid.uuid4().hex
