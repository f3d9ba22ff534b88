"""Limits the time of a block of code with SIGALRM.

A socket timeout limits only each read. A mail server that sends a few bytes now and then could block a worker forever.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after ``seconds``. In other threads than the main one, nothing is limited.

    django-q2 uses the same alarm to limit the whole task. The alarm of django-q2 is restored afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"The mail server took longer than {seconds:g} seconds.")

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, on_alarm)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            # A task limit that expired meanwhile fires at once.
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))
