"""Starts and kills the processes of a chaos run, with a PostgreSQL and a Redis server on request."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
# Seconds to wait for killed processes.
DYING = 30.0
# An environment variable of every process: the folder of its run and its name. Child processes inherit the variable,
# so that they are found after the death of their parent.
MARK = "CHAOS_PROCESS"
# How often an empty environment is read again.
EMPTY_READS = 50


class Stopped(Exception):
    """The run is over, so no process may be started again."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds. Raises TimeoutError, which names what did not happen."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {patience:.0f} seconds")
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


class Process:
    """A child process in its own process group, with its output in a file."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], folder: Path, *, working_folder: Path = HERE
    ) -> None:
        self.name, self._command = name, command
        self._working_folder = working_folder
        self._mark = f"{MARK}={folder}/{name}"
        self._environment = environment | marked(folder, name)
        self._log = folder / f"{name}.log"
        self._start_or_stop = threading.Lock()
        self._stopped = False
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process. Raises Stopped if it was stopped for good."""
        with self._start_or_stop, self._log.open("ab") as log:
            if self._stopped:
                raise Stopped(f"{self.name} was stopped")
            self.popen = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                cwd=self._working_folder,
                start_new_session=True,
            )

    def use(self, settings: dict[str, str]) -> None:
        """Change settings of the process. They take effect at the next start."""
        self._environment |= settings

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def pids(self) -> set[int]:
        """Return the ids of this process and all its descendants."""
        return carrying(self._mark)

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def kill(self, signal_number: int = signal.SIGKILL, patience: float = DYING) -> None:
        """Send the process a signal, or its whole group SIGKILL, and wait until it and its descendants have ended.

        Raises TimeoutError if this takes longer than ``patience`` seconds.
        """
        self._signal(signal_number)
        wait_until(
            lambda: not self.alive and not carrying(self._mark), f"the end of all processes of {self.name}", patience
        )

    def stop(self) -> None:
        """Kill the process and its descendants, and prevent a new start."""
        with self._start_or_stop:
            self._stopped = True
        self._signal(signal.SIGKILL)
        kill_all(self._mark)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not self.alive, "its end", DYING)

    def _signal(self, signal_number: int) -> None:
        if self.popen is None or not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if signal_number == signal.SIGKILL:
                os.killpg(self.popen.pid, signal_number)
            else:
                self.popen.send_signal(signal_number)


class Redis:
    """A Redis server that loses its data when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("chaos: redis-server is not installed. Install Redis, or leave out --redis.")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process = Process("redis", command, dict(os.environ), folder)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process.start()
        wait_until(self._listens, "Redis")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def restart(self, away: float) -> None:
        """Restart the server. Raises Stopped if the run has ended in the meantime."""
        self.go_away()
        time.sleep(away)
        self.start()

    def go_away(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        self._process.stop()


class Postgres:
    """A PostgreSQL server in the folder of the run. It refuses to run as root, so root starts it as another user."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.database = "postgres"
        self._data = folder / "postgres"
        self._environment = dict(os.environ) | marked(folder, "postgres")
        self._start_or_stop = threading.Lock()
        self._stopped = False
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        found = shutil.which("initdb")
        if not programs and not found:
            raise SystemExit(
                "chaos: PostgreSQL's initdb is not installed. Install PostgreSQL, or leave out --postgres."
            )
        self._programs = programs[-1] if programs else Path(str(found)).parent
        self._user = "postgres" if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return f"postgres://dupdash@127.0.0.1:{self.port}/{self.database}"

    def start(self) -> None:
        self._data.mkdir()
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._data, account.pw_uid, account.pw_gid)
            for folder in (self._data.parent, self._data.parent.parent):
                folder.chmod(folder.stat().st_mode | 0o011)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "dupdash", "--no-sync")
        self.come_back()

    def restart(self, away: float) -> None:
        """Restart the server. Raises Stopped if the run has ended in the meantime."""
        self.go_away()
        time.sleep(away)
        self.come_back()

    def go_away(self) -> None:
        self._control("stop", "-m", "immediate")

    def stop(self) -> None:
        with self._start_or_stop:
            self._stopped = True
            with contextlib.suppress(subprocess.CalledProcessError):
                self._control("stop", "-m", "immediate")

    def come_back(self) -> None:
        """Start the server again. Raises Stopped if the run has ended in the meantime."""
        with self._start_or_stop:
            if self._stopped:
                raise Stopped("PostgreSQL was stopped")
            self._control("start")

    def _control(self, *words: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._data / "log")
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", log, "-w", *words)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )


def marked(folder: Path, name: str) -> dict[str, str]:
    return {MARK: f"{folder}/{name}"}


def carrying(mark: str) -> set[int]:
    """Return the running processes whose environment has a variable that begins with this text."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(variable.startswith(mark.encode()) for variable in environment_of(entry)):
                found.add(int(entry.name))
    return found


def environment_of(entry: Path) -> list[bytes]:
    """Return the environment variables of a process. ``entry``: its folder in /proc. Raises OSError if it has ended.

    The environment is empty for a moment while the process starts another program, so it is read again (measured: a
    process that does nothing else was overlooked in 139 of 3,000 reads).
    """
    for _ in range(EMPTY_READS):
        if variables := (entry / "environ").read_bytes():
            return variables.split(b"\0")
        # Kernel threads and ended processes have no program.
        (entry / "exe").readlink()
        time.sleep(0.001)
    return []


def kill_all(mark: str) -> None:
    """Kill all processes with this mark in their environment, and processes that they start in the meantime."""

    def none_is_left() -> bool:
        left = carrying(mark)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    with contextlib.suppress(TimeoutError):
        wait_until(none_is_left, "their end", DYING)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def descendants(pid: int) -> dict[int, int]:
    """Return the running descendants of ``pid``, each with its depth."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    found: dict[int, int] = {}
    for child in parents:
        depth, above = 0, child
        while above in parents and above != pid:
            above, depth = parents[above], depth + 1
        if above == pid and depth:
            found[child] = depth
    return found
