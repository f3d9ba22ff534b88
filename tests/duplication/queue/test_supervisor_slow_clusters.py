"""Tests that the supervisor restarts a hanging cluster, but no cluster that is only slow or busy."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from dupdash.duplication import tasks
from dupdash.duplication.queue import dispatch
from dupdash.duplication.queue.supervisor import Cluster, Supervisor
from tests.duplication.installation import (
    COPIES,
    HEARTBEAT_LIMIT,
    HOUSEKEEPING,
    PATIENCE,
    Installation,
    database_locked,
    waits_for_message,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]

LOOK, DELETE = "core_course_get_courses_by_field", "core_course_delete_courses"
LONG_AGO = "2001-01-01 00:00:00"
EXPIRE_LEASE = "UPDATE duplication_duplicationjob SET lease_until = ?, lease_expired_seen_at = ? WHERE id = ?"

# --- A slow or missing database -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "change"),
    [("django_q_ormq", "INSERT"), ("duplication_databasewriteprobe", "UPDATE")],
    ids=["a broker that takes no messages", "a database that can only be read"],
)
def test_unwritable_heartbeat_kills_no_cluster(installation: Installation, table: str, change: str) -> None:
    """A cluster is not restarted if its heartbeats cannot be written, because a worker may wait to store an answer."""
    installation.start()
    installation.await_clusters()
    before = installation.roles(COPIES)
    installation.ask(f"CREATE TRIGGER full BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    began = time.monotonic()
    installation.until(lambda: time.monotonic() - began > 1.4 * HEARTBEAT_LIMIT, "no heartbeat for long")
    installation.ask("DROP TRIGGER full")
    assert "disk is full" in installation.log.read_text()
    job = installation.submit("AFTER")
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be done")
    assert "Killing its process group" not in installation.log.read_text()
    assert installation.roles(COPIES) == before


def two_running_jobs(installation: Installation) -> list[str]:
    """Run two jobs whose copies are held, so that both workers are busy."""
    jobs = []
    for name, source in (("ONE", "AT&T"), ("TWO", "BIO101-2026S1")):
        jobs.append(job := installation.submit(name, source))
        installation.until(lambda job=job: "appeared in Moodle" in installation.reasons(job), "both to run")  # type: ignore[misc]
    return jobs


def no_cluster_was_killed(installation: Installation) -> None:
    """Assert that no cluster was killed, for longer than the time without heartbeats that is allowed."""
    began = time.monotonic()
    installation.until(lambda: time.monotonic() - began > 1.4 * HEARTBEAT_LIMIT, "no heartbeat for long")
    assert "Killing its process group" not in installation.log.read_text()


def test_hanging_database_kills_no_cluster(installation: Installation) -> None:
    """A database that hangs for longer than a lease or a heartbeat may take does not lead to a restart."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        installation.await_clusters()
        jobs = two_running_jobs(installation)
        with database_locked(installation.database):
            time.sleep(1.2 * HEARTBEAT_LIMIT)
        no_cluster_was_killed(installation)
        assert [installation.state(job) for job in jobs] == ["running", "running"]
    installation.until_succeeded(*jobs)


@pytest.mark.django_db(transaction=True)
def test_hanging_broker_kills_no_cluster(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that hangs for longer than heartbeats may be missing does not lead to a restart."""
    settings.HEARTBEAT_INTERVAL, settings.HEARTBEAT_LIMIT = 0.2, 2.0
    stalls, messages = [1.5 * settings.HEARTBEAT_LIMIT], []

    def take(task: str, *arguments: str, cluster: str) -> None:
        if stalls and messages:
            time.sleep(stalls.pop())
        messages.append(threading.Timer(0.5, come_out, arguments))
        messages[-1].start()

    def come_out(*arguments: str) -> None:
        tasks.heartbeat(*arguments)
        connection.close()

    monkeypatch.setattr(dispatch, "async_task", take)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    cluster = Cluster(COPIES, worker_group="nobody", process=process, started=time.monotonic())
    supervisor = Supervisor()
    supervisor._clusters = [cluster]
    began = time.monotonic()
    while time.monotonic() - began < 3 * settings.HEARTBEAT_LIMIT and process.poll() is None:
        supervisor._check(cluster)
        time.sleep(0.02)
    killed = process.poll() is not None
    process.kill()
    process.wait()
    for message in messages:
        message.join()
    assert stalls == []
    assert not killed


def test_worker_that_lost_its_lease_does_not_disturb_others(installation: Installation) -> None:
    """A worker that lost its lease runs other jobs while it waits for the answer to the recovered job."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        installation.await_clusters()
        lost, other = two_running_jobs(installation)

        def expire_lease_and_recover() -> bool:
            with closing(sqlite3.connect(installation.database, timeout=20, isolation_level=None)) as database:
                database.execute(EXPIRE_LEASE, [LONG_AGO, LONG_AGO, lost])
            return installation.state(lost) == "checking"

        installation.until(expire_lease_and_recover, "the first job to be recovered")
        no_cluster_was_killed(installation)
        assert installation.state(other) == "running"
    installation.until_succeeded(lost, other)


# --- A hanging cluster with a working worker --------------------------------------------------------------------


def test_hung_cluster_is_noticed_during_a_long_copy(installation: Installation) -> None:
    """A hanging cluster is noticed during a long copy, although the worker of that copy renews its lease."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        installation.await_clusters()
        long = installation.submit("LONG")
        installation.until(lambda: "appeared in Moodle" in installation.reasons(long), "the course to be seen")
        ((owner,),) = installation.ask("SELECT lease_owner FROM duplication_duplicationjob WHERE id = ?", long)
        busy = int(owner.split(":")[1])
        installation.until(hang(installation, COPIES, {busy}), "the hang to be noticed", 2 * PATIENCE)
        other = installation.submit("OTHER")
        installation.until(lambda: installation.state(other) != "queued", "a worker to take the other job")
    installation.until_succeeded(long, other)


def test_cluster_with_busy_workers_is_not_restarted(installation: Installation) -> None:
    with installation.moodle.held_at("renamed"):
        installation.start()
        installation.await_clusters()
        two_running_jobs(installation)
        no_cluster_was_killed(installation)


def is_connected_to(pid: int, url: str) -> bool:
    """Return whether a process has an open connection to this port of this machine."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in table if row[2].endswith(port) and row[3] == "01"}
    return any(os.readlink(entry) in sockets for entry in Path(f"/proc/{pid}/fd").iterdir())


def test_hung_cluster_is_noticed_during_a_long_deletion(installation: Installation) -> None:
    deletions: list[float] = []
    over = threading.Event()

    def delete_slowly() -> None:
        deletions.append(time.monotonic())
        over.wait(3 * PATIENCE)

    for _ in range(9):
        installation.moodle.when(DELETE, delete_slowly)
    with installation.moodle.held_at("backup"):
        installation.start()
        installation.await_clusters()
        job = looked_up(installation)
        installation.cancel(job)
    installation.until(lambda: deletions, "the deletion to begin")
    workers = installation.roles(HOUSEKEEPING)[1]
    deleting = {pid for pid in workers if is_connected_to(pid, installation.moodle.url)}
    try:
        installation.until(hang(installation, HOUSEKEEPING, deleting), "the hang to be noticed", 2 * PATIENCE)
    finally:
        over.set()


def hang(installation: Installation, cluster: str, spared: set[int]) -> Callable[[], bool]:
    """Return a function that makes the queue of a cluster hang, and that returns whether the supervisor has noticed.

    It kills the idle worker that holds the lock of the queue. If this worker gets a message at the same moment, the
    next waiting worker is killed, too.
    """
    main, _ = installation.roles(cluster)
    children = sorted(pid for pid, parent in installation.processes(cluster).items() if parent == main)
    # The last two processes that the main process starts are no workers.
    kept = spared | set(children[-2:])

    def noticed() -> bool:
        for pid, parent in installation.processes(cluster).items():
            if parent == main and pid not in kept and waits_for_message(pid):
                os.kill(pid, signal.SIGKILL)
        return f"{cluster}: its workers ran no heartbeat" in installation.log.read_text()

    return noticed


# --- A slow or hanging Moodle ----------------------------------------------------------------------------------


def looked_up(installation: Installation) -> str:
    """Create a job whose answer was lost and whose copy is held in the backup."""
    installation.moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = installation.submit("LOST")
    installation.until(lambda: installation.state(job) == "checking", "the answer to be lost")
    return job


def number_of_checks(installation: Installation, job: str) -> int:
    ((checks,),) = installation.ask("SELECT checks FROM duplication_duplicationjob WHERE id = ?", job)
    return int(checks)


def test_hanging_moodle_does_not_restart_the_cluster(installation: Installation) -> None:
    """A check that takes longer than a heartbeat may does not lead to a restart, and is completed."""
    installation.environment["MOODLE_READ_TIMEOUT"] = str(HEARTBEAT_LIMIT + 2)
    with installation.moodle.held_at("backup"):
        installation.start()
        installation.await_clusters()
        job = looked_up(installation)
        installation.moodle.faults.set("slow", function=LOOK, factor=3600)
        begun = number_of_checks(installation, job)
        installation.until(
            lambda: number_of_checks(installation, job) >= begun + 2, "a look that hung, and the next one"
        )
        assert "Killing its process group" not in installation.log.read_text()
        installation.moodle.faults.clear()


def test_long_deletion_does_not_restart_the_cluster(installation: Installation) -> None:
    """A long deletion does not lead to a restart. It is requested once, and sweeps continue."""
    deletions: list[float] = []
    over = threading.Event()

    def delete_slowly() -> None:
        deletions.append(time.monotonic())
        over.wait(PATIENCE)

    def swept() -> str:
        rows = installation.ask("SELECT token FROM duplication_finishedsweep")
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
