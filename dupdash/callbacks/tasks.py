"""The part of the housekeeping that makes due callbacks. It may run twice at once, late or never."""

from dupdash.callbacks import registration, sender
from dupdash.duplication.queue import database_lock


def send_due() -> None:
    """Register messages to the chat, and make the callbacks that are due. A slow host blocks only one worker."""
    with database_lock.try_lock(database_lock.CALLBACKS) as acquired:
        if acquired:
            registration.register_chat_messages()
            sender.deliver()
