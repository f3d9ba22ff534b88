"""Tests ``manage.py worker`` with real processes: no kill of a process loses a job or leaves an orphan."""

import os
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.duplication.installation import (
    COPIES,
    PATIENCE,
    PERIODS,
    Installation,
    database_locked,
    waits_for_message,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]


def test_supervisor_ends_within_ten_seconds_and_loses_nothing(installation: Installation) -> None:
    """The supervisor ends within ten seconds, and the next workers check running jobs and run waiting ones."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        running = installation.submit("RUNNING")
        installation.moodle.wait_for_step("renamed", timeout=PATIENCE)
        installation.until(lambda: "appeared in Moodle" in installation.reasons(running), "the course to be seen")
        waiting = installation.submit("WAITING")
        ends_in_time(installation)
        assert installation.state(running) == "checking"
        reasons = installation.reasons(running)
        assert "The process that worked on this copy was stopped. The request had been sent to Moodle." in reasons
    installation.start()
    installation.until_succeeded(running, waiting)
    assert installation.moodle.calls.asked["running"] == 1


@pytest.mark.parametrize(
    ("victim", "told"),
    [
        # The killed worker holds the lock of the queue for ever. The cluster has processes, but does not work.
        ("idle workers", "its workers ran no heartbeat"),
        ("main process", "its main process ended with status"),
    ],
)
def test_supervisor_recovers_from_any_kill(installation: Installation, victim: str, told: str) -> None:
    """After any process is killed, a new job runs within the time of a missing heartbeat plus a restart."""
    installation.start()
    installation.await_clusters()
    main, workers = installation.roles(COPIES)
    old = installation.processes(COPIES).keys()
    # A worker that is running a heartbeat task does not hold the lock.
    installation.until(lambda: any(map(waits_for_message, workers)), "a worker to wait for a message")
    for pid in {"idle workers": workers, "main process": [main]}[victim]:
        os.kill(pid, signal.SIGKILL)
    job = installation.submit("AFTER")
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be done")
    left = old & installation.processes(COPIES).keys()
    assert not left, "of the old cluster nothing goes on working: the workers of a dead main process would"
    log = installation.log.read_text()
    assert f"{COPIES}: {told}" in log
    assert "Killing its process group and starting a new one" in log


def test_killed_supervisor_leaves_no_orphan(installation: Installation) -> None:
    """A killed supervisor leaves no process, not even workers that are waiting for a copy."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        job = installation.submit("RUNNING")
        installation.moodle.wait_for_step("renamed", timeout=PATIENCE)
        assert installation.supervisor is not None
        installation.supervisor.kill()
        installation.supervisor.wait()
        installation.until(lambda: not installation.processes(), "all processes to be gone", 10)
        assert installation.state(job) == "running"
    installation.start()
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be looked up")
    assert "The process that worked on this copy stopped." in installation.reasons(job)


def test_killed_main_process_and_supervisor_leave_no_orphan(installation: Installation) -> None:
    """No process is left if the main process and then the supervisor are killed."""
    installation.start()
    installation.await_clusters()
    assert installation.supervisor is not None
    main, _ = installation.roles(COPIES)
    installation.supervisor.send_signal(signal.SIGSTOP)
    os.kill(main, signal.SIGKILL)
    installation.until(lambda: main not in installation.processes(), "the main process to be gone")
    assert installation.processes(COPIES), "its workers do not care"
    installation.supervisor.kill()
    installation.supervisor.wait()
    installation.until(lambda: not installation.processes(), "all processes to be gone", 10)


# --- A database that hangs -----------------------------------------------------------------------------------


def ends_in_time(installation: Installation) -> None:
    assert installation.supervisor is not None
    began = time.monotonic()
    installation.supervisor.terminate()
    assert installation.supervisor.wait(PATIENCE) == 0
    assert time.monotonic() - began < 10
    assert installation.processes() == {}


def test_supervisor_ends_in_time_while_the_database_is_locked(installation: Installation) -> None:
    """The supervisor ends in time while the database is locked. The next workers recover the jobs by their leases."""
    with installation.moodle.held_at("renamed"):
        installation.start()
        installation.await_clusters()
        job = installation.submit("RUNNING")
        installation.until(lambda: "appeared in Moodle" in installation.reasons(job), "the course to be seen")
        with database_locked(installation.database):
            # The next heartbeat and the next sweep wait for the lock.
            time.sleep(2 * PERIODS["HEARTBEAT_INTERVAL"])
            ends_in_time(installation)
        assert installation.state(job) == "running"
    installation.start()
    installation.until(lambda: installation.state(job) == "succeeded", "the job to be looked up")
    assert installation.moodle.calls.asked["running"] == 1


def test_supervisor_ends_in_time_when_the_database_hangs(installation: Installation) -> None:
    """The supervisor ends in time if connecting to the database hangs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"postgres://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        installation.environment["DATABASE_URL"] = address
        installation.start()
        installation.until(lambda: len(installation.processes()) > 2, "the clusters to be started")
        silent.settimeout(PATIENCE)
        with closing(silent.accept()[0]):
            ends_in_time(installation)
