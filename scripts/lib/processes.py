"""Starts the processes of a script and ends all of them when the script ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .virtual_environment import ROOT

# The workers' supervisor ends its clusters within 10 s.
SHUTDOWN_LONGEST = 12.0
# Seconds between two checks of a process.
POLL_INTERVAL = 0.1
_PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """The script must end, because of Ctrl-C, SIGTERM or a closed terminal."""


class Failed(Exception):
    """A child process ended, or did not answer in time. The message is for the person who runs the script."""


class ManagedProcess:
    """A process in its own process group, so that its children can be ended with it."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path | None) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log else ""

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def wait(self, limit: float) -> bool:
        """Wait at most ``limit`` seconds. Returns whether the process has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(limit)
        return self.status is not None

    def failure(self, what: str) -> Failed:
        """Return an error that names the process and shows the end of its log."""
        lines = self.output().strip().splitlines()[-12:]
        where = f"\n\nThe end of {self.log}:\n  " + "\n  ".join(lines) if self.log and lines else ""
        return Failed(f"{self.name} {what}.{where}")


class ProcessGroup:
    """All child processes of a script. They are ended when the ``with`` block ends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # The environment of the processes that are started later.
        self.environment = dict(environment)
        self._children: list[ManagedProcess] = []
        self._starting = False
        self._asked_to_stop = False

    def __enter__(self) -> "ProcessGroup":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not interrupt the shutdown.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _end(self._children)

    def start(self, name: str, command: Sequence[str | Path], log: Path | None = None) -> ManagedProcess:
        """Start a process whose output goes to ``log``, or to the terminal."""
        # A signal between fork and registration would leave the process running, so signals are handled later.
        self._starting = True
        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(log.open("wb")) if log else None
                process = subprocess.Popen(
                    list(map(str, command)),
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                    start_new_session=True,
                    preexec_fn=_end_with_parent(os.getpid()),
                )
            child = ManagedProcess(name, process, log)
            self._children.append(child)
        finally:
            self._starting = False
        if self._asked_to_stop:
            raise Stopped
        return child

    def run(self, name: str, command: Sequence[str | Path], limit: float, log: Path | None = None) -> int:
        """Start a process, wait for its end and return its exit status."""
        child = self.start(name, command, log)
        if not child.wait(limit):
            raise child.failure(f"did not end within {limit:.0f} seconds")
        self._children.remove(child)
        status = child.status
        if log and status:
            raise child.failure(f"ended with status {status}")
        return status or 0

    def stop(self, *children: ManagedProcess) -> None:
        """End these processes and their children, and wait until they are gone."""
        _end(children)
        self._children = [child for child in self._children if child not in children]

    def wait_until(self, child: ManagedProcess, ready: Callable[[], bool], limit: float) -> None:
        """Wait until ``ready()``. Raises Failed if the child ends before, or takes longer than the limit."""
        deadline = time.monotonic() + limit
        while not ready():
            if child.status is not None:
                raise child.failure(f"ended with status {child.status} before it answered")
            if time.monotonic() > deadline:
                raise child.failure(f"did not answer within {limit:.0f} seconds")
            time.sleep(POLL_INTERVAL)

    def watch(self) -> None:
        """Wait until one of the processes ends, and raise Failed."""
        while True:
            require_running(self._children)
            time.sleep(POLL_INTERVAL)

    def _stop(self, number: int, frame: object) -> None:
        self._asked_to_stop = True
        if not self._starting:
            raise Stopped


def require_running(children: Sequence[ManagedProcess]) -> None:
    """Raise Failed if one of the processes has ended."""
    for child in children:
        if child.status is not None:
            raise child.failure(f"ended with status {child.status}")


def _end(children: Sequence[ManagedProcess]) -> None:
    """Stop the processes, beginning with the one that was started last."""
    for child in reversed(children):
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + SHUTDOWN_LONGEST
    for child in reversed(children):
        child.wait(max(0.0, deadline - time.monotonic()))
        # The group is signalled even if the process has ended, because a child may still run.
        child.signal(signal.SIGKILL)
        child.wait(1.0)


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """Have the kernel end a child if its parent is killed and cannot end it (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    # The library is loaded before the fork, because few calls are safe between fork and exec.
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
