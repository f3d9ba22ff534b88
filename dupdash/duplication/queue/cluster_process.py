"""Starts a django-q2 cluster as a fork of the supervisor, so that the processes share the memory of the loaded program.

A cluster that loads the program itself needs about 40 MiB more.
"""

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from dupdash.duplication.queue import orphan_guard

# The modules that the workers need. The queue package names the last two as text, because it may not import them.
PROGRAM = (
    "django_q.cluster",
    # Django imports these two when a process first needs them.
    "django.core.cache.backends.db",
    "django.db.models.sql.compiler",
    "dupdash.duplication.tasks",
    "dupdash.operations.tasks",
    "dupdash.rollover.tasks",
)
# The longest process name on Linux.
PROCESS_NAME_LONGEST = 15


class ForkedProcess:
    """A child of this process. Several threads may use this object."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit status, or minus the number of the signal that ended the process; None while it runs."""
        with self._lock:
            if self._status is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self._status = os.waitstatus_to_exitcode(status)
            return self._status

    def wait(self, timeout: float) -> int:
        """Wait until the process has ended, and return its exit status as ``poll`` does.

        Raises TimeoutError after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} did not end within {timeout:g} seconds")
            time.sleep(0.01)
        return status


def load_program() -> None:
    """Import the modules that the workers need, before the supervisor forks them."""
    for module in PROGRAM:
        importlib.import_module(module)
    # The garbage collector of a child must not touch these objects, because that would copy their memory pages.
    gc.collect()
    gc.freeze()


def fork_cluster(name: str, environment: dict[str, str], pipe: tuple[int, int]) -> ForkedProcess:
    """Start a cluster in its own process group. ``pipe``: the read end and the write end of the supervisor's pipe."""
    # Two processes must not use one connection.
    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        # Both parent and child do this, so that the group exists before either continues.
        _lead_group(pid)
        return ForkedProcess(pid)
    status = 1
    try:
        _become_cluster(name, environment, pipe)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # The child must not continue with the supervisor's code.
        os._exit(status)


def _become_cluster(name: str, environment: dict[str, str], pipe: tuple[int, int]) -> None:
    from django_q.cluster import Sentinel

    _lead_group(0)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, signal.SIG_DFL)
    reading, writing = pipe
    os.close(writing)
    os.environ.update(environment)
    settings.SUPERVISOR_PIPE_FD = str(reading)
    orphan_guard.end_with_supervisor()
    name_process(name)
    use_settings_of(name)
    # django-q2's own command starts its sentinel in one more process, which only waits for it.
    Sentinel(multiprocessing.Event(), multiprocessing.Event(), uuid.uuid4())


def _lead_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)


def use_settings_of(name: str) -> None:
    """Give django-q2 the settings of this cluster. On its import, django-q2 read the settings of the first cluster."""
    from django_q.conf import Conf

    Conf.CLUSTER_NAME = name
    others: Any = settings.Q_CLUSTER["ALT_CLUSTERS"]
    for setting, value in others.get(name, {}).items():
        setattr(Conf, setting.upper(), value)


def name_process(name: str) -> None:
    """Show the name of the cluster in ``ps`` and ``top``, for this process and its children. Linux only."""
    own = Path("/proc/self/comm")
    if own.exists():
        own.write_text(name[:PROCESS_NAME_LONGEST])
