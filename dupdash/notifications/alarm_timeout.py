"""How long a mail server is listened to.

Its timeout bounds each read: one that sends a few bytes now and then would keep a worker for as long as it likes.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Break off what takes longer with a TimeoutError, where that is possible: in the main thread, as in a worker.

    Shares the process's one alarm with django-q2, whose limit for the whole task goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"It took longer than {seconds:g} seconds.")

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            # One that ran out meanwhile rings at once.
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))
