"""``manage.py sandbox``: runs the sandbox until Ctrl-C or SIGTERM."""

import contextlib
import math
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dupdash.sandbox.accounts import PASSWORD
from dupdash.sandbox.faults import CATALOGUE, Fault, UnknownFault, parse_fault
from dupdash.sandbox.server import Sandbox


class Command(BaseCommand):
    help = "Runs an embedded Moodle with about 200 courses; it needs no PHP and no database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        # The number is read as text, so that the command can report an invalid number in one line.
        parser.add_argument("--port", default="8800", help="0 chooses a free port (default: 8800)")
        parser.add_argument("--speed", default="10", help="how many times faster than a real site (default: 10)")
        parser.add_argument("--seed", default="university", help="any word; the same word makes the same university")
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            metavar="NAME[=probability | =parameter:value,…]",
            help=f"a fault to simulate; can be repeated: {', '.join(CATALOGUE)}",
        )
        parser.add_argument(
            "--plugin",
            action="store_true",
            help="also offer the web services of the Moodle plugin",
        )
        parser.add_argument(
            "--proposed",
            action="store_true",
            help="offer core_course_async_duplicate_course and its status alone, as MDL-64916 proposed them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        faults = [_fault(text) for text in options["fault"]]
        sandbox = Sandbox(
            speed=_speed(options["speed"]),
            seed=options["seed"],
            plugin=options["plugin"],
            proposed=options["proposed"],
            host=options["host"],
            port=_port(options["port"]),
        )
        self._start(sandbox, options["host"], options["port"])
        for fault in faults:
            sandbox.faults.add(fault)
        self.stdout.write(
            f"Sandbox at {sandbox.url}  token {sandbox.token}  accounts admin, faculty, helpdesk (password {PASSWORD})"
        )
        self.stdout.flush()
        try:
            _wait_for_stop()
        finally:
            sandbox.stop()

    def _start(self, sandbox: Sandbox, host: str, port: str) -> None:
        try:
            sandbox.start()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(
                f"Cannot listen on {host} port {port}: {reason}. Choose another with --host and --port."
            ) from error


def _wait_for_stop() -> None:
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with contextlib.suppress(KeyboardInterrupt):
        ended.wait()


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except UnknownFault as error:
        raise CommandError(f"--fault: {error}") from error


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (speed > 0 and math.isfinite(speed)):
        raise CommandError(f"--speed must be a number above 0, not {text!r}")
    return speed


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise CommandError(f"--port must be a number from 0 to 65535, not {text!r}")
    return int(text)
