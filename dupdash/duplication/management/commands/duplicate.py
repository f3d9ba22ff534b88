"""``manage.py duplicate``: requests a copy from a terminal or a script, and shows its progress."""

import logging
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob, JobEvent, Origin
from dupdash.duplication.moodle_clients import course_url, open_client
from dupdash.duplication.progress import Progress, progress
from dupdash.duplication.request import Draft, InvalidRequest, prepare
from dupdash.duplication.states import ENDED_OR_UNRESOLVED, State
from dupdash.moodle import options as duplication_options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = "Copies a course and shows the progress. Exit status: 0 success, 1 failure, 2 invalid arguments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = ", ".join(duplication_options.defaults())
        parser.add_argument("source", metavar="SOURCE", help="the course to copy: its id, short name or ID number")
        parser.add_argument("--fullname", required=True, help="the full name of the copy")
        parser.add_argument("--shortname", required=True, help="the short name of the copy")
        parser.add_argument("--category", required=True, type=int, help="the id of the category for the copy")
        parser.add_argument("--hidden", action="store_true", help="hide the copy from students")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=0|1",
            help=f"switch an option of the copy on (1) or off (0); can be repeated. Options: {names}. "
            "With the Moodle plugin, enrolments=2 copies the enrolment methods even without people",
        )
        parser.add_argument(
            "--startdate",
            type=_day,
            metavar="DATE",
            help="the start date of the copy, such as 2026-09-14. With the Moodle plugin, the dates of the activities "
            "move, too",
        )
        parser.add_argument(
            "--enddate",
            type=_day,
            metavar="DATE",
            help="the end date of the copy. Without this argument, the end date moves with the start date",
        )
        parser.add_argument("--idnumber", default="", help="the ID number of the copy")
        parser.add_argument("--no-wait", action="store_true", help="print the id of the job and exit")

    def handle(self, *args: Any, **arguments: Any) -> None:
        # The command prints the events. The log would repeat them.
        logging.getLogger("dupdash").setLevel(logging.WARNING)
        try:
            with open_client() as client:
                job = self._submit(arguments, client)
        except InvalidRequest as refused:
            lines = (f"{problem.field}: {problem.text(in_full=True)}" for problem in refused.problems)
            raise CommandError("\n".join(lines), returncode=2) from None
        except MoodleError as error:
            raise CommandError(str(error), returncode=1) from None
        if arguments["no_wait"]:
            self.stdout.write(job.pk)
            return
        self._show_progress(job)
        if job.state != State.SUCCEEDED:
            last = job.events.last()
            raise CommandError(f"{job.get_state_display()}: {last.reason if last else ''}", returncode=1)
        self.stdout.write(self.style.SUCCESS(f"The copy is complete: {course_url(job.course_id or 0)}"))

    def _submit(self, arguments: dict[str, Any], client: MoodleClient) -> DuplicationJob:
        draft = Draft(
            source=arguments["source"],
            fullname=arguments["fullname"],
            shortname=arguments["shortname"],
            category_id=arguments["category"],
            visible=not arguments["hidden"],
            options=duplication_options.defaults() | _options(arguments["option"]),
            startdate=arguments["startdate"],
            enddate=arguments["enddate"],
            idnumber=arguments["idnumber"],
        )
        request = prepare(draft, Origin.COMMAND, client)
        return jobs.submit(request, actor=None, client=client, via="command line")

    def _show_progress(self, job: DuplicationJob) -> None:
        if self.stdout.isatty():
            # Not through self.stdout: Django's wrapper adds a line break to each write, but the bar stays on one line.
            self._draw(job, Console(file=sys.stdout))
        else:
            self._print_events(job)

    def _draw(self, job: DuplicationJob, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figure]}"),
            TimeElapsedColumn(),
        )
        with Bars(*columns, console=console) as bars:
            bar = bars.add_task(job.get_state_display(), total=None, figure="")
            while True:
                now = progress(job)
                known = now.overall is not None
                figure = f"{_certainty(now)}{now.number:.0%}" if known else "unknown"
                bars.update(
                    bar,
                    description=_describe(job),
                    total=1 if known else None,
                    completed=now.number,
                    figure=figure,
                )
                if job.state in ENDED_OR_UNRESOLVED:
                    return
                time.sleep(POLL_SECONDS)
                job.refresh_from_db()

    def _print_events(self, job: DuplicationJob) -> None:
        last_printed = 0
        while True:
            for event in JobEvent.objects.filter(job=job, pk__gt=last_printed):
                last_printed = event.pk
                self.stdout.write(f"{event.at:%H:%M:%S}  {event.reason}")
                self.stdout.flush()
            if job.state in ENDED_OR_UNRESOLVED:
                return
            time.sleep(POLL_SECONDS)
            job.refresh_from_db()


def _certainty(reached: Progress) -> str:
    if reached.rough:
        return "roughly "
    return "about " if reached.estimated else ""


def _describe(job: DuplicationJob) -> str:
    if job.state == State.RUNNING and job.phase:
        return str(job.get_phase_display())
    return str(job.get_state_display())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a date such as 2026-09-14") from None


def _options(given: list[str]) -> dict[str, int]:
    chosen = {}
    for entry in given:
        name, _, value = entry.partition("=")
        parsed = duplication_options.parse_value(name, value)
        if parsed is None:
            names = ", ".join(duplication_options.defaults())
            raise CommandError(
                f"--option {entry}: must be NAME=0 or NAME=1 (enrolments also 2), with NAME one of {names}",
                returncode=2,
            )
        chosen[name] = parsed
    return chosen
