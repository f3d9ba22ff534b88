"""``scripts/demo``: starts dupdash with an embedded Moodle, and duplicates a course."""

import argparse
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from .cli import UsageError, say, step
from .installation import (
    HOST,
    MANAGE,
    START_LONGEST,
    Installation,
    call_web_service,
    migrate,
    start_sandbox,
    start_worker_and_web,
)
from .processes import Failed, ProcessGroup, Stopped
from .virtual_environment import ROOT, RUNTIME, VAR, install

FOLDER = VAR / "demo"

# The source has 64 activities, which a real site copies in six seconds. The demonstration takes twice as long, so
# that a person can watch both phases.
SPEED = 0.5
SOURCE = "BIO101-2026S1"
SAMPLE = "BIO101-2027S1"
SAMPLE_FULLNAME = "Introduction to Biology (2027 Semester 1)"
SAMPLE_CATEGORY = "BIO-2027S1"

# Seconds.
SAMPLE_LONGEST = 180


def main(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    _require_free(chosen.port, "--port")
    _require_free(chosen.moodle_port, "--moodle-port")
    began = time.monotonic()
    say("dupdash: a demonstration with an embedded Moodle")
    if os.environ.get("MOODLE_URL") or (ROOT / ".env").exists():
        step("Note", "your own settings and your own Moodle are not used")
    install(RUNTIME)
    with _demo_lock():
        _delete_old_data()
        return _demonstrate(chosen.port, chosen.moodle_port, chosen.once, began)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Starts dupdash with an embedded Moodle, duplicates a course, and serves until Ctrl-C.",
    )
    parser.add_argument("--once", action="store_true", help="exit after the sample copy, with 0 if it succeeded")
    parser.add_argument("--port", type=_port, default=8000, help="port of the dashboard (default: 8000)")
    parser.add_argument("--moodle-port", type=_port, default=8800, help="port of the embedded Moodle (default: 8800)")
    chosen = parser.parse_args(arguments)
    if chosen.port == chosen.moodle_port:
        parser.error("--port and --moodle-port must differ")
    return chosen


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 65535, not {text!r}")
    return int(text)


def _require_free(port: int, option: str) -> None:
    with socket.socket() as listener:
        # The servers set this option, too, so that connections in TIME_WAIT do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except PermissionError:
            raise UsageError(f"you may not use port {port}. Choose one above 1023: {option} {port + 8000}") from None
        except OSError:
            raise UsageError(
                f"port {port} is in use. End its program, or choose another port: {option} {_neighbour(port)}"
            ) from None


def _neighbour(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


@contextmanager
def _demo_lock() -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (VAR / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError("another scripts/demo runs in this folder. End it first (Ctrl-C where it runs)") from None
        yield


def _delete_old_data() -> None:
    """Delete the data of an earlier demonstration, whose courses do not exist in the new embedded Moodle."""
    shutil.rmtree(FOLDER)
    FOLDER.mkdir()


def _demonstrate(port: int, moodle_port: int, once: bool, began: float) -> int:
    installation = Installation(FOLDER, port)
    web = installation.web_url
    try:
        with ProcessGroup(installation.environment() | {"SANDBOX": "true"}) as children:
            _start(children, installation, moodle_port)
            people = _make_people(children)
            category = _category_for_the_sample(children.environment)
            step("Ready", f"after {time.monotonic() - began:.0f} s")
            say(f"\nThe dashboard: {web}\nWho can sign in:\n{people}")
            say(f"\nA sample: {SOURCE} is duplicated as {SAMPLE}.")
            status = _duplicate(children, category)
            if once:
                return status
            if status:
                say("The sample did not succeed; the dashboard says why.")
            say(f"\nTry it yourself: {web}   (Ctrl-C ends everything)")
            children.watch()
    except Stopped:
        say("\nAll processes have ended.")
        return 130 if once else 0
    except Failed as failed:
        raise UsageError(str(failed)) from None
    return 0


def _start(children: ProcessGroup, installation: Installation, moodle_port: int) -> None:
    """Start the database, Moodle, the workers and the web process, and wait until each of them answers."""
    migrate(children, installation)
    step("Database", f"SQLite, {installation.database.relative_to(ROOT)}")
    url, token = start_sandbox(children, FOLDER / "moodle.log", moodle_port, SPEED)
    children.environment |= {"MOODLE_URL": url, "MOODLE_TOKEN": token}
    step("Moodle", f"{url}, a made-up university with about 200 courses")
    start_worker_and_web(children, installation)
    step("Workers", "answering")


def _make_people(children: ProcessGroup) -> str:
    log = FOLDER / "people.log"
    children.run("demo_users", [*MANAGE, "demo_users"], START_LONGEST, log)
    return log.read_text().rstrip()


def _category_for_the_sample(environment: Mapping[str, str]) -> int:
    """Return the id of the empty category for the coming term."""
    wanted = {"criteria[0][key]": "idnumber", "criteria[0][value]": SAMPLE_CATEGORY, "addsubcategories": "0"}
    url, token = environment["MOODLE_URL"], environment["MOODLE_TOKEN"]
    (category,) = json.loads(call_web_service(url, token, "core_course_get_categories", wanted))
    return int(category["id"])


def _duplicate(children: ProcessGroup, category: int) -> int:
    names = ["--fullname", SAMPLE_FULLNAME, "--shortname", SAMPLE, "--category", str(category)]
    return children.run("The sample", [*MANAGE, "duplicate", SOURCE, *names], SAMPLE_LONGEST)
