"""Ends the worker processes when their supervisor has died.

Only the supervisor has the write end of a pipe. In each of its child processes, a thread waits on the read end. When
the supervisor dies, the kernel closes the pipe, and the thread kills its process group. Without this, the workers of a
killed django-q2 main process go on working (measured: seven of them).
"""

import os
import signal
import threading

from django.conf import settings


def end_with_supervisor() -> None:
    """End this process when its supervisor dies. Does nothing in a process that no supervisor started."""
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
