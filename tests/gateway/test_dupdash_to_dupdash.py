"""Tests one dupdash in front of another: asynchronous driver → web services → synchronous driver → Moodle.

The back dupdash runs in its own processes with its own database. In one database the two jobs would block each other,
because both reserve the same short name.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from dupdash.duplication import tasks
from dupdash.duplication.models import Phase
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from tests.duplication.support import (
    Moodle,
    await_until,
    run_worker,
    serving,
    submit,
    timeline_of,
)
from tests.gateway.support import ENDPOINT, RESULT

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("complete_timelines"),
]

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0


@dataclass(frozen=True)
class Behind:
    """A client of the back dupdash."""

    url: str
    token: str

    def call(self, function: str, **parameters: str) -> Any:
        fields = {"wstoken": self.token, "wsfunction": function, "moodlewsrestformat": "json", **parameters}
        return requests.post(self.url + ENDPOINT, fields, timeout=10).json()


@pytest.fixture
def site(settings: Any) -> Iterator[Moodle]:
    """A stock Moodle, which does not have the proposed functions."""
    # Two programs are involved, but only one request may reach Moodle.
    with serving(settings, Moodle(speed=20)) as site:
        yield site


@pytest.fixture
def behind(site: Moodle, tmp_path: Path, template: Path, settings: Any) -> Iterator[Behind]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("REDIS", "TEST_"))},
        "DUPDASH_ENV_FILE": "",
        "DJANGO_SETTINGS_MODULE": "dupdash.settings",
        "SECRET_KEY": "only-for-the-back-dupdash",
        "DEBUG": "false",
        "DATABASE_URL": f"sqlite:///{tmp_path}/behind.sqlite3",
        "MOODLE_URL": site.url,
        "MOODLE_TOKEN": site.token,
        "WATCH_INTERVAL": "0.05",
        "FOLLOW_INTERVAL": "0.1",
        "STATUS_INTERVAL": "0.1",
        "SWEEP_INTERVAL": "0.5",
        "CHECK_FIRST": "0.2",
        "CHECK_LONGEST": "0.4",
        "CHECK_LIMIT_UNKNOWN": "2",
        "DJANGO_SUPERUSER_PASSWORD": "only-for-tests",
    }
    with ExitStack() as stack:
        shutil.copy(template, tmp_path / "behind.sqlite3")
        manage(environment, "createsuperuser", "--noinput", "--username", "front", "--email", "front@example.edu")
        token = manage(environment, "api_token", "create", "front", "--label", "front dupdash")
        log = stack.enter_context((tmp_path / "behind.log").open("wb"))
        for command in (
            ["-m", "gunicorn", "dupdash.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4"],
            ["manage.py", "worker"],
        ):
            stack.enter_context(process(command, environment, log))
        other = Behind(f"http://127.0.0.1:{port}", token.strip())
        await_until(lambda: listens(port), "the gateway to listen", PATIENCE)
        settings.ASYNC_URL, settings.ASYNC_TOKEN = other.url, other.token
        yield other


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Any) -> Iterator[None]:
    """Start a process, and stop it with all its children at the end."""
    started = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_job_passes_through_both_and_makes_one_course(site: Moodle, behind: Behind, tmp_path: Path) -> None:
    job = run_worker(submit("BIO101-2026S1", "BIO101-2027S1", options={"users": True, "blocks": False}))
    assert (job.state, job.driver) == (State.RUNNING, "plugin"), timeline_of(job)
    shown: list[tuple[int, float]] = []
    deadline = time.monotonic() + PATIENCE
    while job.state == State.RUNNING and time.monotonic() < deadline:
        tasks.sweep()
        job.refresh_from_db()
        shown.append((1 + (job.phase == Phase.RESTORE), progress(job).number))
        time.sleep(0.05)
    assert job.state == State.SUCCEEDED, timeline_of(job) + (tmp_path / "behind.log").read_text()
    assert shown == sorted(shown)
    assert job.course_id == site.course("BIO101-2027S1").id
    assert site.calls.asked["bio101-2027s1"] == 1

    result = behind.call(RESULT, duplicateid=job.duplicate_id)
    assert result["state"] == "succeeded"
    assert result["courseid"] == job.course_id


def test_refusal_of_the_back_dupdash_fails_the_job(site: Moodle, behind: Behind) -> None:
    with site.held_at("backup"):
        first = behind.call(
            "core_course_async_duplicate_course",
            id=str(site.course("NUR101-2026S1").id),
            fullname="First",
            shortname="SAME",
            categoryid="2",
        )
        assert "duplicateid" in first
        job = run_worker(submit("AT&T", "SAME"))
        assert (job.state, job.failure_code) == (State.FAILED, "shortnametaken"), timeline_of(job)
        assert "Short name is already used" in job.failure_message
    assert site.calls.asked["same"] <= 1


def test_job_is_followed_while_the_back_dupdash_is_unresolved(site: Moodle, behind: Behind) -> None:
    site.faults.set("killed_in_backup", count=1)
    job = run_worker(submit("BIO101-2026S1", "BIO101-2027S1"))

    def reported_again_since_it_is_unresolved() -> bool:
        unresolved = behind.call(RESULT, duplicateid=job.duplicate_id)["state"] == "unresolved"
        tasks.sweep()
        job.refresh_from_db()
        if unresolved:
            reported.add(job.last_response_at)
        return len(reported) > 1

    reported: set[datetime | None] = set()
    await_until(reported_again_since_it_is_unresolved, "two reports", PATIENCE)
    assert job.state == State.RUNNING, timeline_of(job)
