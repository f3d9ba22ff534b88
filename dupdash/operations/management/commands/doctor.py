"""``manage.py doctor``: examines everything that dupdash needs, and shows what to do about each problem."""

import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.errors import MoodleError
from dupdash.operations.host_findings import Finding, Level, examine_host
from dupdash.operations.moodle_findings import examine_moodle
from dupdash.operations.trial_copy import try_copy

SIGNS = {Level.OK: "ok     ", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"}


@contextmanager
def _quiet_log() -> Iterator[None]:
    logger = logging.getLogger("dupdash")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Command(BaseCommand):
    help = (
        "Examines settings, database, queue, worker, mail and Moodle, and shows what to do about each problem. It "
        "changes nothing, except with --copy. Exits with 1 if there is a problem."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--copy", metavar="SOURCE", help="also copy this course (id or short name), and delete the copy again"
        )
        parser.add_argument("--category", type=int, metavar="ID", help="the category for the trial copy")
        parser.add_argument(
            "--timeout", type=float, default=600, metavar="SECONDS", help="wait so long for the copy (default: 600)"
        )

    def handle(self, *args: Any, **arguments: Any) -> None:
        if (arguments["copy"] is None) != (arguments["category"] is None):
            raise CommandError("--copy and --category belong together: give both, or neither.", returncode=2)
        self._problems = 0
        # The command prints the findings. The log would repeat them.
        with _quiet_log():
            self._examine(arguments)
        if self._problems:
            raise CommandError(f"{self._problems} problem{'s' if self._problems > 1 else ''} found.", returncode=1)
        self.stdout.write(self.style.SUCCESS("No problem found."))

    def _examine(self, arguments: dict[str, Any]) -> None:
        for finding in examine_host():
            self._show(finding)
        try:
            with open_client() as client:
                for finding in examine_moodle(client):
                    self._show(finding)
                if arguments["copy"] is not None:
                    for finding in try_copy(arguments["copy"], arguments["category"], client, arguments["timeout"]):
                        self._show(finding)
        except MoodleError as error:
            self._show(Finding(Level.PROBLEM, "Moodle", str(error)))

    def _show(self, finding: Finding) -> None:
        self._problems += finding.level == Level.PROBLEM
        sign = SIGNS[finding.level]
        if finding.level != Level.OK:
            sign = self.style.WARNING(sign) if finding.level == Level.WARNING else self.style.ERROR(sign)
        self.stdout.write(f"{sign}  {finding.subject}: {finding.text}")
        if finding.advice:
            self.stdout.write(f"         {finding.advice}")
