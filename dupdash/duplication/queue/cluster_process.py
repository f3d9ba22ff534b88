"""Starts a django-q2 cluster as a fork of the supervisor, so that all processes share the memory of the loaded program.

A cluster that loads the program by itself needs some 40 MiB more.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from dupdash.duplication.queue import orphan_guard

# What the workers need. The last is known by name only, because telling people is not the queue's business.
PROGRAM = (
    "django_q.cluster",
    "dupdash.duplication.tasks",
    "dupdash.notifications.tasks",
    "dupdash.callbacks.tasks",
    "dupdash.rollover.tasks",
)
# Linux keeps no longer name of a process.
PROCESS_NAME_LONGEST = 15


class ForkedProcess:
    """A child of this process. Safe to use from several threads."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit status, or None while the process runs; minus the number of the signal that ended it."""
        with self._lock:
            if self._status is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self._status = os.waitstatus_to_exitcode(status)
            return self._status

    def wait(self, timeout: float) -> int:
        """Wait for the end; raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} did not end within {timeout:g} seconds")
            time.sleep(0.01)
        return status


def load_program() -> None:
    """Import what the workers need, once for all of them."""
    for module in PROGRAM:
        importlib.import_module(module)
    # What lives by now is no garbage: the collector of a child must not touch, and so copy, these pages.
    gc.collect()
    gc.freeze()


def fork_cluster(name: str, environment: dict[str, str], pipe: tuple[int, int]) -> ForkedProcess:
    """Start a cluster in a process group of its own. ``pipe``: the supervisor's, its reading and its writing end."""
    # A connection must not be used by two processes.
    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        # Both here and in the child, so that the group exists before anybody kills it.
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
        # Nothing of the supervisor's own code may go on here.
        os._exit(status)


def _become_cluster(name: str, environment: dict[str, str], pipe: tuple[int, int]) -> None:
    from django_q.cluster import Cluster

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
    cluster = Cluster()
    cluster.start()
    cluster.sentinel.join()


def _lead_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)


def use_settings_of(name: str) -> None:
    """Have django-q2 work with the settings of a cluster: it read those of the first one when it was imported."""
    from django_q.conf import Conf

    Conf.CLUSTER_NAME = name
    others: Any = settings.Q_CLUSTER["ALT_CLUSTERS"]
    for setting, value in others.get(name, {}).items():
        setattr(Conf, setting.upper(), value)


def name_process(name: str) -> None:
    """Show the name of the cluster in ``ps`` and ``top``, for this process and all that it starts; on Linux."""
    own = Path("/proc/self/comm")
    if own.exists():
        own.write_text(name[:PROCESS_NAME_LONGEST])
