"""Runs an installation for tests of ``manage.py worker``: real processes with their own database and sandbox."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from dupdash.duplication.queue.cluster_process import PROCESS_NAME_LONGEST
from tests.chaos.processes import environment_of
from tests.database_template import environment, manage
from tests.duplication.support import Moodle, await_until

COPIES, HOUSEKEEPING = "dupdash-copies", "dupdash-housekeeping"
WORKERS = 2
# This is longer than a cluster needs to start on a busy machine, because a cluster must not be killed while it starts.
# Five seconds were too short on two cores with thirty busy processes.
HEARTBEAT_LIMIT = 8
PATIENCE = 60.0
PERIODS = {
    "MOODLE_CONCURRENCY": WORKERS,
    "WATCH_INTERVAL": 0.05,
    "FOLLOW_INTERVAL": 0.1,
    "COURSE_DUE_LEAST": 1,
    "COURSE_DUE_PER_ACTIVITY": 0.1,
    "REQUESTED_NAME_PAUSE": 0.5,
    "STATUS_INTERVAL": 0.1,
    "LEASE_SECONDS": 4,
    "SWEEP_INTERVAL": 0.3,
    "REDISPATCH_AFTER": 2,
    "HEARTBEAT_INTERVAL": 0.5,
    "HEARTBEAT_LIMIT": HEARTBEAT_LIMIT,
    "CHECK_FIRST": 0.2,
    "CHECK_LONGEST": 0.5,
}


class Installation:
    """A database, a sandbox and a supervisor. A mark in the environment of each process identifies the processes."""

    def __init__(self, folder: Path, template: Path, moodle: Moodle) -> None:
        self.mark = uuid.uuid4().hex
        self.moodle = moodle
        self.database = folder / "dupdash.sqlite3"
        shutil.copy(template, self.database)
        self.log = folder / "worker.log"
        self.environment = environment(self.database) | {
            "DUPDASH_TEST_MARK": self.mark,
            "MOODLE_URL": moodle.url,
            "MOODLE_TOKEN": moodle.token,
            **{name: str(value) for name, value in PERIODS.items()},
        }
        self.supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                manage("worker"), env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def submit(self, shortname: str, source: str = "AT&T") -> str:
        """Request a copy, and return the id of the new job."""
        ran = subprocess.run(
            manage(
                "duplicate", source, "--fullname", "A copy", "--shortname", shortname, "--category", "2", "--no-wait"
            ),
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return ran.stdout.strip()

    def cancel(self, job_id: str) -> None:
        program = (
            "from dupdash.duplication import jobs, models; "
            f"jobs.cancel(models.DuplicationJob.objects.get(pk='{job_id}'), actor=None)"
        )
        subprocess.run(manage("shell", "-v0", "-c", program), env=self.environment, check=True, timeout=PATIENCE)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    def state(self, job_id: str) -> str:
        ((state,),) = self.ask("SELECT state FROM duplication_duplicationjob WHERE id = ?", job_id)
        return str(state)

    def reasons(self, job_id: str) -> str:
        rows = self.ask("SELECT reason FROM duplication_jobevent WHERE job_id = ? ORDER BY id", job_id)
        return "\n".join(str(reason) for (reason,) in rows)

    def processes(self, cluster: str = "") -> dict[int, int]:
        """Return the ids of this installation's processes, or of one cluster's, each with the id of its parent."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                given = environment_of(folder)
                state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                mine = f"DUPDASH_TEST_MARK={self.mark}".encode() in given
                name = (folder / "comm").read_text().strip()
                of_cluster = not cluster or name == cluster[:PROCESS_NAME_LONGEST]
                if mine and of_cluster and state != "Z":
                    found[int(folder.name)] = int(parent)
        return found

    def roles(self, cluster: str) -> tuple[int, list[int]]:
        """Return the main process of a cluster, and its workers, which the main process starts first."""
        found = self.processes(cluster)
        (main,) = (pid for pid, parent in found.items() if parent not in found)
        return main, sorted(pid for pid, parent in found.items() if parent == main)[:WORKERS]

    def await_clusters(self) -> None:
        """Wait until both clusters have sent a heartbeat and all processes are running."""

        def alive() -> bool:
            beating = self.ask("SELECT COUNT(DISTINCT cluster) FROM duplication_clusterheartbeat WHERE at IS NOT NULL")
            return beating == [(2,)] and all(
                len(self.processes(one)) >= 3 + workers for one, workers in ((COPIES, WORKERS), (HOUSEKEEPING, 4))
            )

        self.until(alive, "both clusters to be alive")

    def until(self, condition: Any, what: str, patience: float = PATIENCE) -> None:
        try:
            await_until(condition, what, patience)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log.read_text()}") from None

    def until_succeeded(self, *jobs: str) -> None:
        self.until(lambda: all(self.state(job) == "succeeded" for job in jobs), "the jobs to be done")

    def end(self) -> None:
        """End all processes that a test left running, by their ids."""
        for _ in range(50):
            left = self.processes()
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if self.supervisor is not None:
            self.supervisor.wait(10)


@pytest.fixture
def installation(tmp_path: Path, template: Path) -> Iterator[Installation]:
    moodle = Moodle(speed=50)
    with moodle:
        installation = Installation(tmp_path, template, moodle)
        yield installation
        installation.end()
        moodle.gates.release()
    moodle.never_sent_twice()


@contextmanager
def database_locked(database: Path) -> Iterator[None]:
    """Hold SQLite's lock longer than any timeout, as another program could."""
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def waits_for_message(pid: int) -> bool:
    """Return whether the main thread of a process waits for data from a pipe: it then holds the lock of its queue."""
    try:
        return "pipe_read" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False
