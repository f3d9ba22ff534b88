"""``manage.py worker`` for real: its processes, what becomes of them, and that no job is lost with them."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.duplication.support import Moodle, await_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]

COPIES, HOUSEKEEPING = "dupdash-copies", "dupdash-housekeeping"
LOOK, DELETE = "core_course_get_courses_by_field", "core_course_delete_courses"
WORKERS = 2
# Beyond what starting a cluster takes on a busy machine: one that is killed while it starts never lives.
HEARTBEAT_LIMIT = 8
PATIENCE = 60.0
PERIODS = {
    "MOODLE_CONCURRENCY": WORKERS,
    "WATCH_INTERVAL": 0.05,
    "FOLLOW_INTERVAL": 0.1,
    "LEASE_SECONDS": 4,
    "SWEEP_INTERVAL": 0.3,
    "REDISPATCH_AFTER": 2,
    "HEARTBEAT_INTERVAL": 0.5,
    "HEARTBEAT_LIMIT": HEARTBEAT_LIMIT,
    "CHECK_FIRST": 0.2,
    "CHECK_LONGEST": 0.5,
}


class Installation:
    """A database, a Moodle and a supervisor of its own; every process of it is found by a mark in its environment."""

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
        """The id of a new job."""
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
        """The living processes and their parents: all of this installation, or those of one cluster."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                given = (folder / "environ").read_bytes().split(b"\0")
                state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                mine = f"DUPDASH_TEST_MARK={self.mark}".encode() in given
                of_cluster = not cluster or f"Q_CLUSTER_NAME={cluster}".encode() in given
                if mine and of_cluster and state != "Z":
                    found[int(folder.name)] = int(parent)
        return found

    def roles(self, cluster: str) -> tuple[int, int, list[int]]:
        """The main process of a cluster, its sentinel, and its workers, which are the first that it starts."""
        found = self.processes(cluster)
        (main,) = (pid for pid, parent in found.items() if parent not in found)
        (sentinel,) = (pid for pid, parent in found.items() if parent == main)
        return main, sentinel, sorted(pid for pid, parent in found.items() if parent == sentinel)[:WORKERS]

    def await_clusters(self) -> None:
        """Until a heartbeat came out of both queues, and all processes are there."""

        def alive() -> bool:
            beating = self.ask("SELECT COUNT(*) FROM duplication_clusterheartbeat WHERE cluster LIKE 'dupdash-%'")
            return beating == [(2,)] and all(
                len(self.processes(one)) >= 4 + workers for one, workers in ((COPIES, WORKERS), (HOUSEKEEPING, 3))
            )

        self.until(alive, "both clusters to be alive")

    def until(self, condition: Any, what: str, patience: float = PATIENCE) -> None:
        try:
            await_until(condition, what, patience)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log.read_text()}") from None

    def end(self) -> None:
        """Whatever a test left: ended by its process id."""
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


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def environment(database: Path) -> dict[str, str]:
    """Nothing of this process's own settings, above all not its database and its broker."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "dupdash.settings",
        "DUPDASH_ENV_FILE": "",
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": f"sqlite:///{database}",
    }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all tables."""
    database = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    subprocess.run(manage("migrate", "-v0"), env=environment(database), check=True, timeout=PATIENCE)
    with closing(sqlite3.connect(database)) as connection:
        # What is copied must be all in one file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


@pytest.fixture
def installation(tmp_path: Path, template: Path) -> Iterator[Installation]:
    moodle = Moodle(speed=50)
    with moodle:
        installation = Installation(tmp_path, template, moodle)
        yield installation
        installation.end()
        moodle.gates.release()
    moodle.never_sent_twice()


def test_it_ends_within_ten_seconds_and_loses_nothing(installation: Installation) -> None:
    """A deploy: what was running is looked up by the next workers, and what was waiting is run by them."""
    with installation.moodle.held_at("hidden"):
        installation.start()
        running = installation.submit("RUNNING")
        installation.moodle.wait_for_step("hidden", timeout=PATIENCE)
        installation.until(lambda: "seen in Moodle" in installation.reasons(running), "the course to be seen")
        waiting = installation.submit("WAITING")
        ends_in_time(installation)
        assert installation.state(running) == "checking"
        assert "Its worker was stopped. The request had been sent to Moodle." in installation.reasons(running)
    installation.start()
    for job in (running, waiting):
        installation.until(lambda job=job: installation.state(job) == "succeeded", "the jobs to be done")  # type: ignore[misc]
    assert installation.moodle.calls.asked["running"] == 1


@pytest.mark.parametrize(
    ("victim", "told"),
    [
        # One of them holds the queue's lock, which is never free again: the cluster looks alive and is not.
        ("idle workers", "no heartbeat came out of its queue"),
        ("sentinel", "its main process ended with status"),
        ("main process", "its main process ended with status"),
    ],
)
def test_it_recovers_whatever_is_killed(installation: Installation, victim: str, told: str) -> None:
    """A job that is submitted afterwards runs; within the time that a heartbeat may take, and a new start."""
    installation.start()
    installation.await_clusters()
    main, sentinel, workers = installation.roles(COPIES)
    for pid in {"idle workers": workers, "sentinel": [sentinel], "main process": [main]}[victim]:
        os.kill(pid, signal.SIGKILL)
    job = installation.submit("AFTER")
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be done")
    assert main not in installation.processes(), "of the old cluster nothing goes on working"
    log = installation.log.read_text()
    assert f"{COPIES}: {told}" in log
    assert "Killing its process group and starting a new one" in log


def test_it_leaves_no_orphan_when_the_supervisor_is_killed(installation: Installation) -> None:
    """Busy workers, too: they end in the middle of a copy, and the lease tells the next ones."""
    with installation.moodle.held_at("hidden"):
        installation.start()
        job = installation.submit("RUNNING")
        installation.moodle.wait_for_step("hidden", timeout=PATIENCE)
        assert installation.supervisor is not None
        installation.supervisor.kill()
        installation.supervisor.wait()
        installation.until(lambda: not installation.processes(), "all processes to be gone", 10)
        assert installation.state(job) == "running"
    installation.start()
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be looked up")
    assert "Its worker was lost." in installation.reasons(job)


# --- a database that hangs -----------------------------------------------------------------------------------


@contextmanager
def nobody_else_writes(database: Path) -> Iterator[None]:
    """As if another program held SQLite's lock, for longer than anybody waits for it."""
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def ends_in_time(installation: Installation) -> None:
    assert installation.supervisor is not None
    began = time.monotonic()
    installation.supervisor.terminate()
    assert installation.supervisor.wait(PATIENCE) == 0
    assert time.monotonic() - began < 10
    assert installation.processes() == {}


def test_it_ends_within_ten_seconds_while_the_database_is_locked(installation: Installation) -> None:
    """What could not be written is taken up by the next workers, when the lease has run out."""
    with installation.moodle.held_at("hidden"):
        installation.start()
        installation.await_clusters()
        job = installation.submit("RUNNING")
        installation.until(lambda: "seen in Moodle" in installation.reasons(job), "the course to be seen")
        with nobody_else_writes(installation.database):
            # The next heartbeat and the next sweep wait for the lock.
            time.sleep(2 * PERIODS["HEARTBEAT_INTERVAL"])
            ends_in_time(installation)
        assert installation.state(job) == "running"
    installation.start()
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be looked up")
    assert installation.moodle.calls.asked["running"] == 1


def test_it_ends_within_ten_seconds_where_the_database_never_answers(installation: Installation) -> None:
    """An address behind which nobody speaks: connecting hangs, and does not fail."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"postgres://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        installation.environment["DATABASE_URL"] = address
        installation.start()
        installation.until(lambda: len(installation.processes()) > 2, "the clusters to be started")
        silent.settimeout(PATIENCE)
        with closing(silent.accept()[0]):
            ends_in_time(installation)


@pytest.mark.parametrize(
    ("table", "change"),
    [("django_q_ormq", "INSERT"), ("duplication_clusterheartbeat", "UPDATE")],
    ids=["a broker that takes no messages", "a database that can only be read"],
)
def test_it_kills_nobody_for_a_heartbeat_that_cannot_be_written(
    installation: Installation, table: str, change: str
) -> None:
    """A worker may just have Moodle's answer in its hands, waiting to write it down."""
    installation.start()
    installation.await_clusters()
    before = installation.roles(COPIES)
    installation.ask(f"CREATE TRIGGER full BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    began = time.monotonic()
    installation.until(lambda: time.monotonic() - began > 2 * HEARTBEAT_LIMIT, "no heartbeat for long")
    installation.ask("DROP TRIGGER full")
    assert "disk is full" in installation.log.read_text()
    job = installation.submit("AFTER")
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be done")
    assert "Killing its process group" not in installation.log.read_text()
    assert installation.roles(COPIES) == before


# --- a cluster that hangs beside a worker that works ------------------------------------------------------------


def test_a_wedge_is_noticed_while_a_long_copy_runs(installation: Installation) -> None:
    """One copy of an hour shows that its own worker lives, and says nothing of the queue that the others wait at."""
    with installation.moodle.held_at("hidden"):
        installation.start()
        installation.await_clusters()
        long = installation.submit("LONG")
        installation.until(lambda: "seen in Moodle" in installation.reasons(long), "the course to be seen")
        ((owner,),) = installation.ask("SELECT lease_owner FROM duplication_duplicationjob WHERE id = ?", long)
        busy = int(owner.split(":")[1])
        # The only idle one: it waits at the queue, and holds its lock.
        for pid in set(installation.roles(COPIES)[2]) - {busy}:
            os.kill(pid, signal.SIGKILL)
        other = installation.submit("OTHER")
        installation.until(lambda: installation.state(other) != "queued", "a worker to take the other job")
    assert f"{COPIES}: no heartbeat" in installation.log.read_text()
    for job in (long, other):
        installation.until(lambda job=job: installation.state(job) == "succeeded", "both to be done")  # type: ignore[misc]


def test_a_cluster_whose_workers_are_all_busy_is_not_dead(installation: Installation) -> None:
    with installation.moodle.held_at("hidden"):
        installation.start()
        installation.await_clusters()
        for name, source in (("ONE", "AT&T"), ("TWO", "BIO101-2026S1")):
            job = installation.submit(name, source)
            installation.until(lambda job=job: "seen in Moodle" in installation.reasons(job), "both to run")  # type: ignore[misc]
        began = time.monotonic()
        installation.until(lambda: time.monotonic() - began > 2 * HEARTBEAT_LIMIT, "no heartbeat for long")
        assert "Killing its process group" not in installation.log.read_text()


def speaks_to(pid: int, url: str) -> bool:
    """Whether a process has an open connection to this port of this machine."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in table if row[2].endswith(port) and row[3] == "01"}
    return any(os.readlink(entry) in sockets for entry in Path(f"/proc/{pid}/fd").iterdir())


def test_a_wedge_is_noticed_while_a_long_deletion_runs(installation: Installation) -> None:
    deletions: list[float] = []
    over = threading.Event()

    def delete_slowly() -> None:
        deletions.append(time.monotonic())
        over.wait(2 * PATIENCE)

    for _ in range(9):
        installation.moodle.when(DELETE, delete_slowly)
    with installation.moodle.held_at("backup"):
        installation.start()
        installation.await_clusters()
        job = looked_up(installation)
        installation.cancel(job)
    installation.until(lambda: deletions, "the deletion to begin")
    _, sentinel, _ = installation.roles(HOUSEKEEPING)
    # The last two that it starts are no workers.
    workers = sorted(pid for pid, parent in installation.processes(HOUSEKEEPING).items() if parent == sentinel)[:-2]
    (busy,) = (pid for pid in workers if speaks_to(pid, installation.moodle.url))
    # The idle ones: one of them waits at the queue, and holds its lock.
    for pid in set(workers) - {busy}:
        os.kill(pid, signal.SIGKILL)
    try:
        installation.until(
            lambda: f"{HOUSEKEEPING}: no heartbeat" in installation.log.read_text(), "the wedge to be noticed"
        )
    finally:
        over.set()


# --- a Moodle that is slow or hangs ----------------------------------------------------------------------------


def looked_up(installation: Installation) -> str:
    """A job whose answer was lost, and whose copy stands still in the backup."""
    installation.moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = installation.submit("LOST")
    installation.until(lambda: installation.state(job) == "checking", "the answer to be lost")
    return job


def looks(installation: Installation, job: str) -> int:
    ((checks,),) = installation.ask("SELECT checks FROM duplication_duplicationjob WHERE id = ?", job)
    return int(checks)


def test_a_moodle_that_hangs_does_not_look_like_a_dead_cluster(installation: Installation) -> None:
    """One look takes longer than any heartbeat may: the others go on beside it, and it comes to its end."""
    installation.environment["MOODLE_READ_TIMEOUT"] = str(HEARTBEAT_LIMIT + 2)
    with installation.moodle.held_at("backup"):
        installation.start()
        installation.await_clusters()
        job = looked_up(installation)
        installation.moodle.faults.set("slow", function=LOOK, factor=3600)
        begun = looks(installation, job)
        installation.until(lambda: looks(installation, job) >= begun + 2, "a look that hung, and the next one")
        assert "Killing its process group" not in installation.log.read_text()
        installation.moodle.faults.clear()


def test_a_long_deletion_does_not_look_like_a_dead_cluster(installation: Installation) -> None:
    """It is asked for once, and the sweeps go on beside it."""
    deletions: list[float] = []
    over = threading.Event()

    def delete_slowly() -> None:
        deletions.append(time.monotonic())
        over.wait(PATIENCE)

    def swept() -> str:
        rows = installation.ask("SELECT token FROM duplication_clusterheartbeat WHERE cluster = 'sweep'")
        return str(rows)

    for _ in range(9):
        installation.moodle.when(DELETE, delete_slowly)
    with installation.moodle.held_at("backup"):
        installation.start()
        installation.await_clusters()
        job = looked_up(installation)
        installation.cancel(job)
    installation.until(lambda: deletions, "the deletion to begin")
    installation.until(lambda: time.monotonic() - deletions[0] > 1.5 * HEARTBEAT_LIMIT, "it to take long")
    last = swept()
    installation.until(lambda: swept() != last, "the next sweep")
    assert "Killing its process group" not in installation.log.read_text()
    assert len(deletions) == 1
    over.set()
    installation.until(lambda: installation.state(job) == "cancelled", "the copy to be removed")
    assert installation.moodle.made() == []
