#!/usr/bin/env python3
"""Interrupts copies that dupdash makes on a real Moodle with the plugin, and compares the results of both.

Never run it on a site in use: it kills PHP processes, restarts the database server, and deletes the courses that it
made. It needs root or the web server's user, the environment of `faults.py`, and a Moodle whose cron is switched off,
because it starts the cron processes itself.

    … python -m tests.plugin.outages kill backup restore between
    … python -m tests.plugin.outages cron 300
    … python -m tests.plugin.outages database "systemctl restart mariadb"

`kill` starts one copy for each named step and kills its PHP process there. `cron` requests copies, stops Moodle's cron
for this many seconds, and starts it again. `database` restarts the database server with a shell command while copies
are made. No course may be made twice or left behind, and each row of the plugin must have the final status 900 or 1000,
in agreement with the job of dupdash.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.__main__ import set_up_django
from tests.chaos.environment import Installation
from tests.plugin import faults

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob

RUNNERS = 4
COPIES = 8
PATIENCE = 600.0
ENDED = {"900", "1000"}
START = date(2030, 2, 4)
# The steps that last long enough in a copy of a usual course.
STEPS = {name: faults.STEPS[name] for name in ("backup", "restore", "between", "created", "end")}


class Cron:
    """Moodle's cron: processes for ad hoc tasks, and one process that runs the scheduled tasks again and again."""

    def __init__(self) -> None:
        self._runs = threading.Event()
        self._over = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        commands = [["php", f"{faults.CODE}/admin/cli/cron.php", "--keep-alive=0"]]
        commands += [["php", f"{faults.CODE}/admin/cli/adhoc_task.php", "--execute", "--keep-alive=59"]] * RUNNERS
        self._threads = [threading.Thread(target=self._loop, args=(command,)) for command in commands]
        for thread in self._threads:
            thread.start()

    def _loop(self, command: list[str]) -> None:
        while not self._over.is_set():
            if self._runs.wait(0.2):
                with faults.LOG.open("a") as log:
                    process = subprocess.Popen(
                        command, user=faults.USER, stdout=log, stderr=subprocess.STDOUT, cwd=faults.CODE
                    )
                self._processes.append(process)
                process.wait()
                self._processes.remove(process)
                self._over.wait(1)

    def start(self) -> None:
        self._runs.set()

    def stop(self) -> None:
        """Stop cron after every process has finished its current task."""
        self._runs.clear()
        for process in list(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        while self._processes:
            time.sleep(0.1)

    def end(self) -> None:
        self._over.set()
        self.stop()
        for thread in self._threads:
            thread.join()


class Run:
    """An installation of dupdash with its jobs, and the Moodle that it uses."""

    def __init__(self, installation: Installation, cron: Cron) -> None:
        self.installation = installation
        self.cron = cron
        self._before = faults.Before()
        self._jobs: list[str] = []

    def request(self, copies: int) -> list[str]:
        """Request copies with people and other dates. Returns the ids of their jobs."""
        from dupdash.duplication import jobs
        from dupdash.duplication.models import Origin
        from dupdash.duplication.moodle_clients import open_client
        from dupdash.duplication.request import Draft, prepare
        from dupdash.moodle.options import effective

        ids = []
        with open_client() as client:
            for number in range(copies):
                name = f"OUTAGE-{uuid.uuid4().hex[:10]}"
                draft = Draft(
                    str(faults.SOURCES[(len(self._jobs) + number) % len(faults.SOURCES)]),
                    f"Copy {name}",
                    name,
                    faults.CATEGORY,
                    options=effective({"users": 1, "role_assignments": 1}),
                    startdate=START + timedelta(weeks=number),
                )
                ids.append(jobs.submit(prepare(draft, Origin.COMMAND, client), actor=None, client=client).pk)
        self._jobs += ids
        return ids

    def job(self, id: str) -> "DuplicationJob":
        from dupdash.duplication.models import DuplicationJob

        return DuplicationJob.objects.get(pk=id)

    def wait(self, ids: list[str], condition: Callable[["DuplicationJob"], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not all(condition(self.job(id)) for id in ids):
            if time.monotonic() > deadline:
                raise SystemExit(f"{what} did not come: {[(id, self.job(id).state) for id in ids]}")
            time.sleep(0.1)

    def wait_for_end(self, ids: list[str]) -> None:
        self.wait(ids, lambda job: job.is_terminal, "the end of the jobs")

    def judge(self, what: str, ids: list[str]) -> bool:
        """Compare jobs, rows and courses, and remove the courses."""
        pairs = [(job := self.job(id), faults.job(job.duplicate_id)) for id in ids]
        made = {row["courseid"] for _, row in pairs if row["status"] == "1000"}
        wrong = self._before.left(made)
        for job, row in pairs:
            wrong += _contradictions(job, row)
            if row["status"] == "1000":
                wrong += faults.differences(row)
            elif job.failure_code:
                print(f"    {job.shortname}: {job.state} – {job.failure_code}: {job.failure_message}")
        states = sorted(f"{job.state} ({row['status']})" for job, row in pairs)
        counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        print(f"{what}: {counted}; wrong: {wrong or 'nothing'}", flush=True)
        faults.remove(made)
        return not wrong


def _contradictions(job: "DuplicationJob", row: dict[str, str]) -> Iterator[str]:
    if row["status"] not in ENDED:
        yield f"{job.shortname}: its row stands at {row['status']}"
    expected = "succeeded" if row["status"] == "1000" else "cancelled" if job.cancel_requested_at else "failed"
    if job.state != expected:
        yield f"{job.shortname}: its row ended in {row['status']}, and its job is {job.state}"
    if job.state == "succeeded" and str(job.course_id) != row["courseid"]:
        yield f"{job.shortname}: its job names course {job.course_id}, and its row {row['courseid']}"
    if job.state == "failed" and not (job.failure_code and job.failure_message):
        yield f"{job.shortname}: its job does not say why it failed"


def kill(run: Run, steps: list[str]) -> bool:
    run.cron.start()
    good = True
    for step in steps:
        (id,) = run.request(1)
        run.wait([id], lambda job: job.duplicate_id, "the start")
        duplicate_id = run.job(id).duplicate_id
        reached = STEPS[step]()
        row = faults.job(duplicate_id)
        while not reached(duplicate_id, row) and row["status"] not in ENDED:
            time.sleep(0.01)
            row = faults.job(duplicate_id)
        # The process that holds the lock of the row works on the copy.
        pid = int(faults.sql(f"SELECT pid FROM mdl_task_adhoc WHERE id = {row['taskid']}")[0][0])
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        run.wait_for_end([id])
        good &= run.judge(f"killed in {step}, ended after {time.monotonic() - begun:.0f} s", [id])
    return good


def stop_cron(run: Run, seconds: float) -> bool:
    """Stop cron while half of the copies are being made, request the other half, and start cron again."""
    run.cron.start()
    ids = run.request(COPIES // 2)
    run.wait(ids[:1], lambda job: job.moodle_started_at, "the first copy")
    run.cron.stop()
    stopped = time.monotonic()
    ids += run.request(COPIES // 2)
    while time.monotonic() < stopped + seconds:
        time.sleep(min(60, seconds))
        _say_states(run, ids, f"cron stands still for {time.monotonic() - stopped:.0f} s")
    run.cron.start()
    run.wait_for_end(ids)
    return run.judge(f"cron stood still for {seconds:.0f} s", ids)


def _say_states(run: Run, ids: list[str], what: str) -> None:
    states = [f"{job.state}, {job.moodle_queue_ahead} before it" for job in map(run.job, ids) if not job.is_terminal]
    print(f"    {what}: {states}", flush=True)


def restart_database(run: Run, command: str) -> bool:
    run.cron.start()
    ids = run.request(COPIES)
    run.wait(ids[:RUNNERS], lambda job: job.progress_floor > 0.2 or job.is_terminal, "the first copies")
    subprocess.run(command, shell=True, check=True)
    run.wait_for_end(ids)
    return run.judge("database restarted", ids)


def main(arguments: list[str]) -> int:
    what: Callable[[Run], bool]
    match arguments:
        case ["kill", *steps] if steps and set(steps) <= set(STEPS):
            what = lambda run: kill(run, steps)  # noqa: E731
        case ["cron", seconds] if seconds.isdecimal():
            what = lambda run: stop_cron(run, float(seconds))  # noqa: E731
        case ["database", command]:
            what = lambda run: restart_database(run, command)  # noqa: E731
        case _:
            print(__doc__)
            return 2
    settings = {
        "MOODLE_URL": faults.URL,
        "MOODLE_TOKEN": faults.TOKEN,
        "MOODLE_TIME_ZONE": os.environ.get("MOODLE_TIME_ZONE", "UTC"),
        "MOODLE_CONCURRENCY": str(COPIES),
        "LOG_LEVEL": "ERROR",
    }
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder), seed=1, periods=settings)
        cron = Cron()
        try:
            installation.start()
            set_up_django(installation)
            good = what(Run(installation, cron))
        finally:
            cron.end()
            installation.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
