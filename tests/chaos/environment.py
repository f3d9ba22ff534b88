"""Starts and stops the installation of a chaos run: web process, workers, sandbox and databases."""

import json
import os
import random
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.processes import (
    HERE,
    MARK,
    Postgres,
    Process,
    Redis,
    answers,
    free_port,
    kill_all,
    marked,
    python,
    wait_until,
)

SPEED = 30
USER, PASSWORD = "chaos", "chaos-Passw0rd"

# The intervals and time limits of the engine, all scaled down.
SCALED = {
    "MOODLE_CONCURRENCY": "6",
    "WATCH_INTERVAL": "0.1",
    "FOLLOW_INTERVAL": "0.3",
    "COURSE_DUE_LEAST": "3",
    "COURSE_DUE_PER_ACTIVITY": "0.1",
    "COURSE_DUE_UNKNOWN": "6",
    "REQUESTED_NAME_PAUSE": "1",
    "STATUS_INTERVAL": "0.3",
    "LEASE_SECONDS": "4",
    "SWEEP_INTERVAL": "0.5",
    "REDISPATCH_AFTER": "4",
    "HEARTBEAT_INTERVAL": "1",
    "HEARTBEAT_LIMIT": "10",
    "RESTART_FIRST": "0.2",
    "RESTART_LONGEST": "0.5",
    "PROBE_INTERVAL": "0.5",
    "CHECK_FIRST": "0.3",
    "CHECK_LONGEST": "1",
    "CHECK_LIMIT_LEAST": "12",
    "CHECK_LIMIT_UNKNOWN": "24",
    "CHECK_STILL_LEAST": "8",
    "CHECK_SETTLED": "4",
    "UNRESOLVED_LONGEST": "2",
    "RETRY_FIRST": "0.2",
    "RETRY_LONGEST": "2",
    "RETRY_ATTEMPTS": "12",
    "MOODLE_CONNECT_TIMEOUT": "1",
    "MOODLE_READ_TIMEOUT": "3",
    "MOODLE_DUPLICATION_TIMEOUT": "10",
}


@dataclass(frozen=True)
class Source:
    id: int
    shortname: str
    category: int


class Installation:
    """An installation with web process, workers and sandbox, on SQLite or with its own PostgreSQL and Redis.

    ``plugin``: the sandbox has the functions of the plugin.
    """

    def __init__(
        self,
        folder: Path,
        *,
        postgres: bool = False,
        redis: bool = False,
        plugin: bool = False,
        seed: int,
        periods: dict[str, str] | None = None,
        speed: float = SPEED,
    ) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        # Set when the run is over or aborted.
        self.stopped = threading.Event()
        self.postgres = Postgres(folder) if postgres else None
        self.redis = Redis(folder) if redis else None
        self.sandbox_url = f"http://127.0.0.1:{free_port()}"
        self.web_url = f"http://127.0.0.1:{free_port()}"
        self.environment = self._environment(SCALED if periods is None else periods)
        sandbox_port = self.sandbox_url.rpartition(":")[2]
        sandbox = python("manage.py", "sandbox", "--port", sandbox_port, "--speed", str(speed), "--seed", str(seed))
        sandbox += ["--plugin"] * plugin
        self.sandbox = self._process("sandbox", sandbox)
        address = self.web_url.removeprefix("http://")
        gunicorn = python("-m", "gunicorn", "dupdash.wsgi", "-b", address, "--threads", "8", "--log-level", "warning")
        self.web = self._process("web", gunicorn)
        self.worker = self._process("worker", python("manage.py", "worker"))

    def _environment(self, periods: dict[str, str]) -> dict[str, str]:
        from dupdash.sandbox.accounts import ADMIN_TOKEN

        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        return kept | {
            "DUPDASH_ENV_FILE": "",
            "DJANGO_SETTINGS_MODULE": "dupdash.settings",
            "SECRET_KEY": "only-for-chaos",
            "SANDBOX": "true",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.postgres.url if self.postgres else f"sqlite:///{self.folder / 'chaos.sqlite3'}",
            "REDIS_URL": self.redis.url if self.redis else "",
            "MOODLE_URL": self.sandbox_url,
            "MOODLE_TOKEN": ADMIN_TOKEN,
            **periods,
        }

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(name, command, self.environment, self.folder)

    def start(self) -> None:
        if self.postgres:
            self.postgres.start()
        if self.redis:
            self.redis.start()
        self._manage("migrate", "--verbosity", "0")
        self._manage("createsuperuser", "--no-input", "--username", USER, "--email", "chaos@example.edu")
        for process in (self.sandbox, self.web, *self.workers):
            process.start()
        wait_until(lambda: answers(f"{self.sandbox_url}/sandbox/control"), "the sandbox")
        wait_until(lambda: answers(f"{self.web_url}/sign-in/"), "the web process")

    def stop(self) -> None:
        """Stop all processes, and prevent new ones."""
        self.stopped.set()
        for process in self.processes:
            process.stop()
        for server in (self.redis, self.postgres):
            if server:
                server.stop()
        # Processes that were being started when the run was aborted.
        kill_all(f"{MARK}={self.folder}/")

    @property
    def processes(self) -> tuple[Process, ...]:
        return *self.workers, self.web, self.sandbox

    @property
    def workers(self) -> tuple[Process, ...]:
        return (self.worker,)

    def _manage(self, *arguments: str) -> None:
        environment = self.environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD} | marked(self.folder, "manage")
        subprocess.run(
            python("manage.py", *arguments), env=environment, cwd=HERE, check=True, stdout=subprocess.DEVNULL
        )

    def control(self, **plans: object) -> dict[str, Any]:
        """Read or change the state of the sandbox."""
        return dict(self._ask_sandbox("", json.dumps(plans).encode() if plans else None))

    def courses(self) -> list[dict[str, Any]]:
        return list(self._ask_sandbox("/courses", None)["courses"])

    def _ask_sandbox(self, path: str, data: bytes | None) -> dict[str, Any]:
        """Call the control endpoint of the sandbox, and repeat the call while a fault has closed its port."""
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/control{path}", data, timeout=10) as answer:
                    return dict(json.load(answer))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def sources(self) -> list[Source]:
        """Return small courses, so that even a copy that takes ten times as long is far below the scaled limits."""
        return [
            Source(course["id"], course["shortname"], course["category"])
            for course in self.courses()
            if course["modules"] <= 60
        ]
