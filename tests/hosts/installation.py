"""Runs an installation with workers on several simulated hosts, with a PostgreSQL and a Redis that a test can stop.

A host consists of the processes of one ``manage.py worker`` with their own folder. The hosts share only the database,
the broker and the Moodle.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import requests

from tests.chaos.environment import SCALED, Installation
from tests.chaos.people import Person
from tests.chaos.processes import HERE, Process, python, wait_until

SLOTS = 3
PATIENCE = 60.0
# The timeout is long, because on a busy machine it takes long until all processes are in the state that a test needs.
LONG = ("MOODLE_DUPLICATION_TIMEOUT", "CHECK_LIMIT_LEAST", "CHECK_LIMIT_UNKNOWN", "CHECK_STILL_LEAST")
PERIODS = SCALED | {"MOODLE_CONCURRENCY": str(SLOTS)} | dict.fromkeys(LONG, "300")


class SeveralHosts(Installation):
    """A web process, a sandbox, and any number of hosts with workers."""

    def __init__(self, folder: Path, *, hosts: int, scaled: bool, speed: float, **periods: str) -> None:
        """``scaled``: use the short intervals of tests instead of the defaults."""
        periods = (PERIODS if scaled else {}) | periods
        super().__init__(folder, postgres=True, redis=True, seed=1, periods=periods, speed=speed)
        self.hosts = [self._host(number) for number in range(1, hosts + 1)]

    def _host(self, number: int) -> Process:
        home = self.folder / f"host-{number}"
        home.mkdir()
        own = self.environment | {"HOME": str(home), "TMPDIR": str(home)}
        command = python(str(HERE / "manage.py"), "worker")
        return Process(f"worker-{number}", command, own, self.folder, working_folder=home)

    @property
    def workers(self) -> tuple[Process, ...]:
        return tuple(self.hosts)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        assert self.postgres is not None
        with psycopg.connect(self.postgres.url, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def use_database(self, name: str) -> str:
        """Use another database of the same server from now on. Returns its URL."""
        assert self.postgres is not None
        self.postgres.database = name
        return self.postgres.url

    def reasons(self) -> list[str]:
        """Return the reasons of all events."""
        return [reason for (reason,) in self.ask("SELECT reason FROM duplication_jobevent")]

    def states(self) -> dict[str, str]:
        """Return the states of all jobs by short name."""
        return dict(self.ask("SELECT shortname, state FROM duplication_duplicationjob"))

    def until_all_succeeded(self, patience: float = PATIENCE) -> None:
        def succeeded() -> bool:
            states = self.states().values()
            return bool(states) and set(states) == {"succeeded"}

        self.until(succeeded, "the end of all jobs", patience)

    def until(self, condition: Any, what: str, patience: float = PATIENCE) -> None:
        """Wait until a condition holds. The error after the timeout shows the jobs and the logs of the hosts."""
        try:
            wait_until(condition, what, patience)
        except TimeoutError as late:
            logs = "\n".join(f"--- {host.name}\n{host.output[-3000:]}" for host in self.hosts)
            raise AssertionError(f"{late}\n{self.states()}\n{logs}") from None

    def until_clusters_work(self) -> None:
        """Wait until on each host a worker of both clusters has run a task."""

        def all_work() -> bool:
            query = "SELECT COUNT(*) FROM duplication_clusterheartbeat WHERE at IS NOT NULL"
            return self.ask(query)[0][0] >= 2 * len(self.hosts)

        self.until(all_work, "heartbeats of all clusters")

    def hosts_with_leases(self) -> list[Process]:
        """Return the hosts whose workers are running a job."""
        rows = self.ask(
            "SELECT lease_owner FROM duplication_duplicationjob WHERE state = 'running' AND lease_owner <> ''"
        )
        driving = {int(owner.split(":")[1]) for (owner,) in rows}
        return [host for host in self.hosts if driving & host.pids()]

    def kill_hosts(self, *hosts: Process) -> None:
        """Kill all processes of these hosts at once, as a power failure would."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in {pid for host in hosts for pid in host.pids()}:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        for host in hosts:
            wait_until(lambda host=host: not host.alive and not host.pids(), f"the end of {host.name}")  # type: ignore[misc]

    def page(self, path: str) -> requests.Response:
        """Return a page as a person without an account sees it."""
        return requests.get(f"{self.web_url}{path}", timeout=20, allow_redirects=False)

    def person(self) -> Person:
        return Person(self)


def no_cluster_was_replaced(hosts: Iterable[Process]) -> None:
    for host in hosts:
        assert "Killing its process group" not in host.output, host.output[-3000:]


@contextmanager
def several_hosts(hosts: int, *, scaled: bool = True, speed: float = 20, **periods: str) -> Iterator[SeveralHosts]:
    """Run an installation during the block. Its folder is none of pytest's, because PostgreSQL's user must enter it."""
    with TemporaryDirectory(prefix="dupdash-hosts-", ignore_cleanup_errors=True) as folder:
        installation = SeveralHosts(Path(folder), hosts=hosts, scaled=scaled, speed=speed, **periods)
        try:
            installation.start()
            yield installation
        finally:
            installation.stop()
