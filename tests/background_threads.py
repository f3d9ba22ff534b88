"""Waits for the threads in which a worker records outcomes, so that none outlives its test."""

import threading

# The timeout is long, so that a busy machine does not make a test fail.
PATIENCE = 20.0


def await_threads() -> None:
    """Wait until every thread that confirms a copy or waits for a late answer has ended."""
    for thread in threading.enumerate():
        if thread.name.startswith(("confirmation-", "late-answer-")):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "still waiting for an answer"
