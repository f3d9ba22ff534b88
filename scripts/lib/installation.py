"""Starts an installation on this machine (database, Moodle, workers, web), and waits until each process answers."""

import http.client
import os
import re
import secrets
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .processes import ManagedProcess, ProcessGroup
from .virtual_environment import PYTHON, ROOT

HOST = "127.0.0.1"
MANAGE = (PYTHON, ROOT / "manage.py")

# The time limit for each start in seconds. On a machine without much load each start is far faster.
START_LONGEST = 60

# The environment variables that child processes get. Others are not passed on, above all not the settings of a real
# installation and the token of a real Moodle.
KEPT = ("PATH", "HOME", "USER", "LANG", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Installation:
    """An installation of dupdash: the folder of its files, and the port of its web process."""

    folder: Path
    web_port: int

    @property
    def database(self) -> Path:
        return self.folder / "dupdash.sqlite3"

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    def environment(self) -> dict[str, str]:
        """Return the environment of the processes, without the settings for Moodle."""
        kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
        return kept | {
            # A file .env is ignored, because it is meant for a real installation.
            "DUPDASH_ENV_FILE": "",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": f"sqlite:///{urllib.parse.quote(str(self.database))}",
            "SITE_URL": self.web_url,
            "PYTHONUNBUFFERED": "1",
        }


def migrate(children: ProcessGroup, installation: Installation) -> None:
    children.run("migrate", [*MANAGE, "migrate", "--no-input"], START_LONGEST, installation.folder / "migrate.log")


def start_sandbox(children: ProcessGroup, log: Path, port: int, speed: float) -> tuple[str, str]:
    """Start the embedded Moodle. Returns its URL and its token."""
    arguments = ["sandbox", "--host", HOST, "--port", str(port), "--speed", str(speed)]
    moodle = children.start("The Moodle", [*MANAGE, *arguments], log)
    children.wait_until(moodle, lambda: _address_and_token(moodle.output()) is not None, START_LONGEST)
    url, token = _address_and_token(moodle.output()) or ("", "")
    children.wait_until(moodle, lambda: answers(f"{url}/"), START_LONGEST)
    return url, token


def _address_and_token(said: str) -> tuple[str, str] | None:
    found = re.search(r"(http\S+)\s+token\s+(\S+)\s", said)
    return (found[1], found[2]) if found else None


def start_worker_and_web(children: ProcessGroup, installation: Installation) -> tuple[ManagedProcess, ManagedProcess]:
    """Start the worker and the web process at the same time, and wait until both answer."""
    before = datetime.now(UTC)
    worker = children.start("The worker", [*MANAGE, "worker"], installation.folder / "worker.log")
    gunicorn = [str(PYTHON), "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    chosen = ["--bind", f"{HOST}:{installation.web_port}", "--workers", "1", "--access-logfile", "-"]
    web = children.start("The web process", [*gunicorn, *chosen, "dupdash.wsgi"], installation.folder / "web.log")
    children.wait_until(web, lambda: answers(f"{installation.web_url}/"), START_LONGEST)
    children.wait_until(worker, lambda: _workers_answer(installation.database, before), START_LONGEST)
    return worker, web


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


def _workers_answer(database: Path, since: datetime) -> bool:
    """Return whether both clusters have sent a heartbeat since then. This is read from the table of heartbeats."""
    # With isolation_level None, reading does not begin a transaction.
    try:
        with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
            rows = connection.execute("SELECT at FROM duplication_clusterheartbeat WHERE at IS NOT NULL").fetchall()
    except sqlite3.OperationalError:
        return False
    return sum(datetime.fromisoformat(at).replace(tzinfo=UTC) >= since for (at,) in rows) >= 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def call_web_service(url: str, token: str, function: str, parameters: Mapping[str, str]) -> bytes:
    """Call a web service function with Moodle's REST protocol, and return the answer."""
    fields = {"wstoken": token, "wsfunction": function, "moodlewsrestformat": "json", **parameters}
    address = f"{url}/webservice/rest/server.php"
    with urllib.request.urlopen(address, urllib.parse.urlencode(fields).encode(), timeout=60) as answer:
        return bytes(answer.read())
