"""Measures how many status calls per second the web services answer: ``python bench/status_calls.py``.

The database (a new SQLite file, or DATABASE_URL) has 1,000 running jobs. The server is gunicorn with one worker process
and four threads, and with all of dupdash's middleware. One client uses four kept-alive connections. Three kinds of
calls take turns of half a second, so that other load on the machine affects all of them. The result is the median of
the turns:

- a Django view that returns a constant, as the reference for single calls;
- ``…_get_status`` of one job after the other (goal: 0.6 times as many calls as the constant view);
- ``…_get_statuses`` of all 1,000 jobs in each call (goal: 1,040 ids a second, ten times as many as a stock Moodle).
"""

import argparse
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
JOBS = 1000
CONNECTIONS = 4
ENDPOINT = "/webservice/rest/server.php"
CONSTANT = "/bench/constant"
STATUS = "core_course_async_duplicate_course_get_status"
STATUSES = "core_course_async_duplicate_course_get_statuses"
# Calls per second of core_backup_get_copy_progress on a stock Moodle 4.5.6 with two cores (measured).
MOODLE = 104
GOAL_RATIO, GOAL_IDS = 0.6, 10 * MOODLE


def server() -> object:
    """Return the WSGI application: dupdash with the constant view."""
    from django.http import HttpRequest, HttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    import dupdash.wsgi
    from dupdash import urls

    @csrf_exempt
    def constant(request: HttpRequest) -> HttpResponse:
        return HttpResponse('{"phase":1,"status":800,"progress":0.5}', content_type="application/json")

    urls.urlpatterns[:0] = [path(CONSTANT.lstrip("/"), constant)]
    return dupdash.wsgi.application


@contextmanager
def jobs_and_token() -> Iterator[tuple[list[str], str]]:
    """Create 1,000 running jobs and a token of their requester, and delete them at the end."""
    import django

    django.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.utils import timezone

    from dupdash.accounts import tokens
    from dupdash.accounts.access import Role
    from dupdash.duplication.models import DuplicationJob, Origin, Phase
    from dupdash.duplication.states import State

    call_command("migrate", verbosity=0)
    name = f"bench-{secrets.token_hex(4)}"
    owner = User.objects.create_user(name)
    owner.groups.add(Group.objects.get(name=Role.FACULTY))
    _, text = tokens.make(owner, "bench")
    now = timezone.now()
    jobs = [
        DuplicationJob(
            state=State.RUNNING,
            requester=owner,
            origin=Origin.WEB_SERVICE,
            source_id=-number,
            source_shortname=f"SRC{number}",
            source_fullname=f"Source {number}",
            fullname=f"Copy {number}",
            shortname=f"{name}-{number}",
            shortname_key=f"{name}-{number}",
            category_id=1,
            options={},
            driver="synchronous",
            phase=Phase.RESTORE if number % 2 else Phase.BACKUP,
            queued_at=now,
            started_at=now,
            sent_at=now,
            restore_at=now if number % 2 else None,
            source_released_at=now,
            baseline={"names": [f"SRC{number}_{n}" for n in range(1, 7)], "present": []},
            expected_backup=300.0,
            expected_restore=300.0,
        )
        for number in range(1, JOBS + 1)
    ]
    DuplicationJob.objects.bulk_create(jobs)
    try:
        yield [job.pk for job in jobs], text
    finally:
        DuplicationJob.objects.filter(requester=owner).delete()
        owner.delete()


@contextmanager
def gunicorn() -> Iterator[int]:
    """Run gunicorn on a free port, and yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(ROOT), "--pythonpath", str(ROOT / "bench")]
    command += ["--worker-class", "gthread", "--workers", "1", "--threads", str(CONNECTIONS), "--keep-alive", "60"]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", "status:server()"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("gunicorn did not start") from None
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def measure_rate(
    port: int, seconds: float, path: str, bodies: list[bytes], is_right: Callable[[object], bool]
) -> float:
    """Send ``bodies`` again and again over CONNECTIONS connections, and return the calls per second.

    Raises RuntimeError if a checked answer is wrong. Every hundredth answer is checked.
    """
    counts = [0] * CONNECTIONS
    wrong: list[object] = []
    begun = time.monotonic()
    end = begun + seconds

    def ask(mine: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for body in cycle(bodies[mine::CONNECTIONS] or bodies):
            connection.request("POST", path, body, headers)
            answer = connection.getresponse().read()
            # Parse only every hundredth answer, so that the client does not limit the rate.
            if counts[mine] % 100 == 0 and not is_right(json.loads(answer)):
                wrong.append(answer[:300])
            counts[mine] += 1
            if wrong or time.monotonic() > end:
                break
        connection.close()

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"wrong answer: {wrong[0]!r}")
    return sum(counts) / (time.monotonic() - begun)


def measure(port: int, ids: list[str], token: str, turns: int, seconds: float) -> dict[str, list[float]]:
    """Return the rates of each kind of call, one for each round."""

    def form(function: str, parameters: dict[str, str]) -> bytes:
        call = {"wstoken": token, "wsfunction": function, "moodlewsrestformat": "json", **parameters}
        return urlencode(call).encode()

    single = [form(STATUS, {"duplicateid": id}) for id in ids]
    batch = [form(STATUSES, {f"duplicateids[{place}]": id for place, id in enumerate(ids)})]
    subjects: dict[str, tuple[str, list[bytes], Callable[[object], bool]]] = {
        "constant": (CONSTANT, single, lambda answer: answer["status"] == 800),  # type: ignore[index]
        "single": (ENDPOINT, single, lambda answer: answer["status"] == 800),  # type: ignore[index]
        "batch": (ENDPOINT, batch, lambda answer: len(answer["statuses"]) == JOBS),  # type: ignore[index]
    }
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(turns + 1):
        for name, (path, bodies, is_right) in subjects.items():
            rate = measure_rate(port, seconds, path, bodies, is_right)
            if turn:  # The first turn is a warm-up.
                found[name].append(rate)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="dupdash-bench-") as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "dupdash.settings",
            "DUPDASH_ENV_FILE": "",
            "SECRET_KEY": secrets.token_hex(),
            "DEBUG": "false",
            # Calls are counted for the rate limit as usual, but the limit is never reached.
            "API_RATE_PER_MINUTE": "100000000",
        }
        with jobs_and_token() as (ids, token), gunicorn() as port:
            rates = measure(port, ids, token, arguments.turns, arguments.seconds)
    constant, single, batch = (statistics.median(rates[name]) for name in ("constant", "single", "batch"))
    # The ratio of adjacent turns is taken, because other load on the machine slows down both.
    ratio = statistics.median(one / other for one, other in zip(rates["single"], rates["constant"], strict=True))
    ids_a_second = batch * JOBS
    database = os.environ["DATABASE_URL"].partition(":")[0]
    print(f"{JOBS} running jobs, {database}; gunicorn, 1 worker process, {CONNECTIONS} threads and connections")
    print(f"medians of {arguments.turns} turns of {arguments.seconds:g} s each, one after the other")
    print(f"  a view that returns a constant  {constant:7.0f} calls a second")
    print(f"  get_status, one job a call      {single:7.0f} calls a second: {ratio:.2f} of that (goal {GOAL_RATIO})")
    print(
        f"  get_statuses, {JOBS} ids a call {ids_a_second:8.0f} ids a second (goal {GOAL_IDS}; stock Moodle {MOODLE})"
    )
    return 0 if ratio >= GOAL_RATIO and ids_a_second >= GOAL_IDS else 1


if __name__ == "__main__":
    sys.exit(main())
