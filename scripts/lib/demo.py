"""``scripts/demo``: everything on one machine, with a Moodle of its own, and one course being duplicated."""

import argparse
import fcntl
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from .cli import UsageError, say, step
from .installation import PYTHON, ROOT, RUNTIME, VAR, install
from .processes import Failed, ProcessGroup, Stopped

HOST = "127.0.0.1"
FOLDER = VAR / "demo"
DATABASE = FOLDER / "dupdash.sqlite3"
MANAGE = (PYTHON, ROOT / "manage.py")

# The course of the sample has 64 activities, which takes a real site six seconds; here twice that, so that
# both phases can be watched.
SPEED = 0.5
SOURCE = "BIO101-2026S1"
SAMPLE = "BIO101-2027S1"
SAMPLE_FULLNAME = "Introduction to Biology (2027 Semester 1)"
SAMPLE_CATEGORY = "BIO-2027S1"

# Seconds. Nothing takes nearly as long on a machine that is not overloaded.
START_LIMIT = 60
SAMPLE_LIMIT = 180

# What children need of the environment. Everything else stays outside: above all the settings of a real
# installation, and the token of a real Moodle.
KEPT = ("PATH", "HOME", "USER", "LANG", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "TMPDIR", "LD_LIBRARY_PATH")


def main(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    _find_free(chosen.port, "--port")
    _find_free(chosen.moodle_port, "--moodle-port")
    began = time.monotonic()
    say("dupdash: a demonstration with a Moodle of its own")
    if os.environ.get("MOODLE_URL") or (ROOT / ".env").exists():
        step("Note", "your own settings and your own Moodle are left alone")
    install(RUNTIME)
    with _only_one():
        _begin_anew()
        return _demonstrate(chosen.port, chosen.moodle_port, chosen.once, began)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Starts dupdash with a Moodle of its own, duplicates a course, and serves until Ctrl-C.",
    )
    parser.add_argument("--once", action="store_true", help="end after the sample: 0 if it succeeded")
    parser.add_argument("--port", type=_port, default=8000, help="of the dashboard (default: 8000)")
    parser.add_argument("--moodle-port", type=_port, default=8800, help="of the demonstration's Moodle (default: 8800)")
    chosen = parser.parse_args(arguments)
    if chosen.port == chosen.moodle_port:
        parser.error("--port and --moodle-port must differ")
    return chosen


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 65535, not {text!r}")
    return int(text)


def _find_free(port: int, option: str) -> None:
    with socket.socket() as door:
        # As the servers do: connections that linger from the last run are no obstacle.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
        except PermissionError:
            raise UsageError(f"you may not use port {port}. Choose one above 1023: {option} {port + 8000}") from None
        except OSError:
            raise UsageError(
                f"port {port} is taken. End what uses it, or choose another: {option} {_neighbour(port)}"
            ) from None


def _neighbour(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


@contextmanager
def _only_one() -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (VAR / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError("another scripts/demo runs in this folder. End it first (Ctrl-C where it runs)") from None
        yield


def _begin_anew() -> None:
    """The demonstration's Moodle begins anew at every start, and jobs of an earlier one would be lost in it."""
    shutil.rmtree(FOLDER)
    FOLDER.mkdir()


def _demonstrate(port: int, moodle_port: int, once: bool, began: float) -> int:
    web = f"http://{HOST}:{port}"
    try:
        with ProcessGroup(_environment(web)) as children:
            _start(children, port, moodle_port)
            people = _make_people(children)
            category = _category_for_the_sample(children.environment)
            step("Ready", f"after {time.monotonic() - began:.0f} s")
            say(f"\nThe dashboard: {web}\nWho can sign in:\n{people}")
            say(f"\nA sample: {SOURCE} is duplicated as {SAMPLE}.")
            status = _duplicate(children, category)
            if once:
                return status
            if status:
                say("The sample did not succeed; the dashboard tells why.")
            say(f"\nNow your turn: {web}   (Ctrl-C ends everything)")
            children.watch()
    except Stopped:
        say("\nEnded, and all that was started with it.")
        return 130 if once else 0
    except Failed as failed:
        raise UsageError(str(failed)) from None
    return 0


def _environment(web: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
    return kept | {
        # No .env: whatever it says is for a real installation.
        "DUPDASH_ENV_FILE": "",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": f"sqlite:///{urllib.parse.quote(str(DATABASE))}",
        "SITE_URL": web,
        "SANDBOX": "true",
        "PYTHONUNBUFFERED": "1",
    }


def _start(children: ProcessGroup, port: int, moodle_port: int) -> None:
    """Database, Moodle, workers and web, each answering."""
    children.run("migrate", [*MANAGE, "migrate", "--no-input"], START_LIMIT, FOLDER / "migrate.log")
    step("Database", f"SQLite, {DATABASE.relative_to(ROOT)}")
    _start_moodle(children, moodle_port)
    worker = children.start("The worker", [*MANAGE, "worker"], FOLDER / "worker.log")
    _start_web(children, port)
    children.wait_until(worker, _workers_work, START_LIMIT)
    step("Workers", "answering")


def _start_moodle(children: ProcessGroup, port: int) -> None:
    arguments = ["sandbox", "--host", HOST, "--port", str(port), "--speed", str(SPEED)]
    moodle = children.start("The Moodle", [*MANAGE, *arguments], FOLDER / "moodle.log")
    children.wait_until(moodle, lambda: _tells_its_token(moodle.said()) is not None, START_LIMIT)
    url, token = _tells_its_token(moodle.said()) or ("", "")
    children.wait_until(moodle, lambda: _answers(f"{url}/"), START_LIMIT)
    children.environment |= {"MOODLE_URL": url, "MOODLE_TOKEN": token}
    step("Moodle", f"{url}, a made-up university with about 200 courses")


def _tells_its_token(said: str) -> tuple[str, str] | None:
    found = re.search(r"(http\S+)\s+token\s+(\S+)\s", said)
    return (found[1], found[2]) if found else None


def _start_web(children: ProcessGroup, port: int) -> None:
    gunicorn = [str(PYTHON), "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    chosen = ["--bind", f"{HOST}:{port}", "--workers", "1", "--access-logfile", "-"]
    web = children.start("The web process", [*gunicorn, *chosen, "dupdash.wsgi"], FOLDER / "web.log")
    children.wait_until(web, lambda: _answers(f"http://{HOST}:{port}/"), START_LIMIT)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


def _workers_work() -> bool:
    """Whether a heartbeat came out of both queues. Read from the table, to have no other door for it."""
    # isolation_level None: a look must not begin a transaction.
    try:
        with closing(sqlite3.connect(DATABASE, timeout=5, isolation_level=None)) as database:
            (clusters,) = database.execute("SELECT COUNT(*) FROM duplication_clusterheartbeat").fetchone()
    except sqlite3.OperationalError:
        return False
    return int(clusters) >= 2


def _make_people(children: ProcessGroup) -> str:
    log = FOLDER / "people.log"
    children.run("demo_users", [*MANAGE, "demo_users"], START_LIMIT, log)
    return log.read_text().rstrip()


def _category_for_the_sample(environment: Mapping[str, str]) -> int:
    """The id of the category for the coming term, which waits empty for copies."""
    fields = {
        "wstoken": environment["MOODLE_TOKEN"],
        "wsfunction": "core_course_get_categories",
        "moodlewsrestformat": "json",
        "criteria[0][key]": "idnumber",
        "criteria[0][value]": SAMPLE_CATEGORY,
        "addsubcategories": "0",
    }
    address = f"{environment['MOODLE_URL']}/webservice/rest/server.php"
    with urllib.request.urlopen(address, urllib.parse.urlencode(fields).encode(), timeout=20) as answer:
        (category,) = json.load(answer)
    return int(category["id"])


def _duplicate(children: ProcessGroup, category: int) -> int:
    names = ["--fullname", SAMPLE_FULLNAME, "--shortname", SAMPLE, "--category", str(category)]
    return children.run("The sample", [*MANAGE, "duplicate", SOURCE, *names], SAMPLE_LIMIT)
