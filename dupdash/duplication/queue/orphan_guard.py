"""No orphan goes on working: worker processes end when their supervisor is gone.

The supervisor keeps the writing end of a pipe open and tells nobody of it. Every process below it, the forked
ones too, waits on the reading end in a thread: when the supervisor dies, however it dies, the kernel
closes the pipe, and the whole process group is killed. Without this, a killed django-q2 main process
leaves its workers working (measured: seven of them).
"""

import os
import signal
import threading

from django.conf import settings


def end_with_supervisor() -> None:
    """In a process that a supervisor started: end with the supervisor. Elsewhere: nothing."""
    if not settings.SUPERVISOR_PIPE_FD:
        return
    _start_guard_thread()
    os.register_at_fork(after_in_child=_start_guard_thread)


def _start_guard_thread() -> None:
    threading.Thread(
        target=_kill_group_when_pipe_closes, args=(int(settings.SUPERVISOR_PIPE_FD),), name="orphan-guard", daemon=True
    ).start()


def _kill_group_when_pipe_closes(pipe: int) -> None:
    try:
        os.read(pipe, 1)
    except OSError:
        return
    os.killpg(0, signal.SIGKILL)
