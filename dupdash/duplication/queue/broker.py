"""A django-q2 broker that polls the database often while there is work, and rarely while there is none.

django-q2's own broker always polls each of the two queues five times a second.
"""

import time
from typing import Any

from django_q.brokers.orm import ORM
from django_q.signing import BadSignature, SignedPackage

# Seconds between two polls: while copies are made, and while nothing happens.
BUSY_POLL, IDLE_POLL = 0.2, 1.0
# Seconds between the first polls after a message: messages come in groups.
FIRST_POLL = 0.1
# After a job the queue counts as busy for this many seconds, because another job often follows.
BUSY_FOR = 120.0
JOB = "dupdash.duplication.tasks.run_job"


class DatabaseBroker(ORM):  # type: ignore[misc]
    """Reads messages from the queue in the database.

    The interval between two polls grows with the time since the last message.
    """

    # When the last message and the last job arrived, on the monotonic clock.
    message_at = job_at = float("-inf")

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Return the next messages, each with its id. If there is none, wait until the next poll and return None."""
        # The setting ``poll`` is 0, so that this call does not wait.
        messages: list[tuple[int, str]] | None = super().dequeue()
        now = time.monotonic()
        if not messages:
            time.sleep(self.poll_interval(now))
            return None
        self.message_at = now
        if any(_is_job(payload) for _, payload in messages):
            self.job_at = now
        return messages

    def poll_interval(self, now: float) -> float:
        """Return the seconds until the next poll. ``now``: the time on the monotonic clock."""
        most = BUSY_POLL if now - self.job_at < BUSY_FOR else IDLE_POLL
        return min(most, max(FIRST_POLL, now - self.message_at))


def _is_job(payload: str) -> bool:
    try:
        task: dict[str, Any] = SignedPackage.loads(payload)
    except (TypeError, BadSignature):
        # The pusher logs and drops it.
        return False
    return task.get("func") == JOB
