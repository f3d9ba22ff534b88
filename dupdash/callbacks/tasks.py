"""The housekeeping task that makes the calls that are due. django-q2 may run it twice, late or never."""

from dupdash.callbacks import registration, sender
from dupdash.duplication.queue import database_lock


def send_due() -> None:
    """Register messages to the chat and make the calls that are due. A slow host occupies one worker only."""
    with database_lock.try_lock(database_lock.CALLBACKS) as acquired:
        if acquired:
            registration.register_chat_messages()
            sender.deliver()
