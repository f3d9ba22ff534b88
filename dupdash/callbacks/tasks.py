"""The part of the housekeeping that sends due callbacks. A run that is late, lost or doubled does no harm."""

from dupdash.callbacks import registration, sender
from dupdash.duplication.queue import database_lock


def send_due() -> None:
    """Register messages to the chat, and send due callbacks. One worker at a time does this, others return at once."""
    with database_lock.try_lock(database_lock.CALLBACKS) as acquired:
        if acquired:
            registration.register_chat_messages()
            sender.deliver()
