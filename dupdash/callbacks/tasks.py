"""The part of the housekeeping that sends due callbacks.

If two workers run it at the same time, only one of them sends. If a run is late or lost, the next one sends more.
"""

from dupdash.callbacks import registration, sender
from dupdash.duplication.queue import database_lock


def send_due() -> None:
    """Register messages to the chat, and send the callbacks that are due. A slow host blocks only one worker."""
    with database_lock.try_lock(database_lock.CALLBACKS) as acquired:
        if acquired:
            registration.register_chat_messages()
            sender.deliver()
