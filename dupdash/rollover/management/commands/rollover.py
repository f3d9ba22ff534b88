"""``manage.py rollover``: requests the copies that a file lists, like the upload page, from a terminal or a script."""

import logging
import math
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dupdash.duplication.models import Batch
from dupdash.duplication.states import ENDED_OR_UNRESOLVED, State
from dupdash.moodle import options
from dupdash.rollover.batches.progress import current_jobs, totals_of
from dupdash.rollover.batches.start import CHANGED, CannotStart, continue_start, request_start
from dupdash.rollover.batches.start_settings import StartSettings
from dupdash.rollover.checks.conflicts_between_rows import conflict_message
from dupdash.rollover.checks.plans import continue_checks
from dupdash.rollover.models import Level, Plan
from dupdash.rollover.pages.results_csv import results_lines
from dupdash.rollover.plan_creation import plan_from_table
from dupdash.rollover.reading.cell_values import UnclearValue, read_moment
from dupdash.rollover.reading.table import Table, UnreadableFile, read_table

POLL_SECONDS = 0.5
# The maximum number of rows with problems that are printed. The file of --report contains all of them.
PRINTED_MOST = 20


class Command(BaseCommand):
    help = (
        "Copies the courses of a CSV file or an Excel workbook. All rows are checked before anything starts. Exits "
        "with 0 if all copies succeeded, 1 if some did not or Moodle could not be read, 2 if the file or a row has "
        "errors and nothing was started."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="CSV or .xlsx; docs/rollover.md lists the columns")
        parser.add_argument("--dry-run", action="store_true", help="only check the rows, and copy nothing")
        parser.add_argument("--skip-errors", action="store_true", help="leave out the rows with errors")
        parser.add_argument(
            "--start", metavar="TIME", help="when to start, in the time zone TIME_ZONE, for example 2027-01-15T20:00"
        )
        parser.add_argument(
            "--hide-sources",
            action="store_true",
            help="when all copies have ended, hide sources from students whose copies are complete",
        )
        parser.add_argument("--report", metavar="FILE", type=Path, help="write the results to this CSV file")
        parser.add_argument("--no-wait", action="store_true", help="print the id of the batch and exit at once")

    def handle(self, *args: Any, **arguments: Any) -> None:
        # The command prints its progress. The log would repeat it.
        logging.getLogger("dupdash").setLevel(logging.ERROR)
        how = StartSettings(not_before=_moment(arguments["start"]), hide_sources=arguments["hide_sources"])
        plan = self._checked_plan(_read(arguments["file"]), arguments["file"].name)
        try:
            self._tell_problems(plan)
            if arguments["skip_errors"]:
                plan.rows.filter(level=Level.ERROR).update(included=False)
            wrong = plan.rows.filter(included=True, level=Level.ERROR).count()
            if wrong:
                raise CommandError(f"Nothing was started. Rows with errors: {wrong:,}.", returncode=2)
            if arguments["dry_run"]:
                good = plan.rows.filter(included=True).count()
                self.stdout.write(f"Rows that can be copied: {good:,}. Nothing was started.")
                return
            batch = _start(plan, how)
        finally:
            # A plan that did not become a batch is deleted.
            Plan.objects.filter(pk=plan.pk, batch__isnull=True).delete()
        if arguments["no_wait"]:
            self.stdout.write(batch.pk)
            return
        self._follow(batch)
        if arguments["report"]:
            arguments["report"].write_text("".join(results_lines(batch, raw=True)), encoding="utf-8", newline="")
        self._end(batch)

    def _checked_plan(self, table: Table, name: str) -> Plan:
        for note in table.notes:
            self.stdout.write(note)
        plan = plan_from_table(table, name=name, owner=None, options=options.defaults())
        continue_checks(plan, math.inf)
        plan.refresh_from_db()
        if plan.failure:
            plan.delete()
            raise CommandError(plan.failure, returncode=1)
        return plan

    def _tell_problems(self, plan: Plan) -> None:
        rows = plan.rows.filter(level__in=(Level.ERROR, Level.WARNING))
        for row in rows[:PRINTED_MOST]:
            remarks = [*row.problems, *row.warnings]
            if row.conflict_row is not None:
                remarks.append([row.conflict_column, conflict_message(row), ""])
            for column, message, _ in remarks:
                self.stdout.write(
                    f"row {row.number}, {column}: {message}" if column else f"row {row.number}: {message}"
                )
        if (more := rows.count() - PRINTED_MOST) > 0:
            self.stdout.write(f"Further rows with problems or warnings: {more:,}")

    def _follow(self, batch: Batch) -> None:
        if self.stdout.isatty():
            self._draw(batch, Console(file=sys.stdout))
            return
        printed: tuple[int, int] | None = None
        for ended, total in _counts(batch):
            if (ended, total) != printed:
                printed = ended, total
                self.stdout.write(f"{ended} of {total} ended or unresolved")
                self.stdout.flush()

    def _draw(self, batch: Batch, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bars:
            bar = bars.add_task("Copies", total=None)
            for ended, total in _counts(batch):
                bars.update(bar, total=total, completed=ended)

    def _end(self, batch: Batch) -> None:
        totals = totals_of([batch])[batch.pk]
        missing = current_jobs(batch).exclude(state=State.SUCCEEDED).order_by("batch_row")
        for job in missing[:PRINTED_MOST]:
            last = job.events.last()
            words = f"{job.get_state_display()}: {last.reason if last else ''}"
            self.stdout.write(f"row {job.batch_row}, {job.shortname}: {words}")
        if missing.exists():
            raise CommandError(f"Copies that succeeded: {totals.succeeded:,} of {totals.total:,}.", returncode=1)
        self.stdout.write(self.style.SUCCESS(f"All copies succeeded: {totals.total:,}."))


def _read(file: Path) -> Table:
    try:
        content = file.read_bytes()
        return read_table(content, rows_most=settings.ROLLOVER_ROWS)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", returncode=2) from None
    except UnreadableFile as error:
        raise CommandError(f"{file}: {error}", returncode=2) from None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return read_moment(text, ZoneInfo(settings.TIME_ZONE))
    except UnclearValue as error:
        raise CommandError(f"--start: {error}", returncode=2) from None


def _start(plan: Plan, how: StartSettings) -> Batch:
    try:
        request_start(plan, how)
    except CannotStart as refusal:
        raise CommandError(f"Nothing was started: {refusal}", returncode=2) from None
    continue_start(plan, math.inf)
    plan.refresh_from_db()
    if plan.batch is None:
        raise CommandError(plan.failure, returncode=2 if plan.failure == CHANGED else 1)
    return plan.batch


def _counts(batch: Batch) -> Iterator[tuple[int, int]]:
    """Yield how many copies have ended or are unresolved, and how many there are, until both are equal."""
    while True:
        states: list[str] = list(current_jobs(batch).values_list("state", flat=True))
        ended = sum(state in ENDED_OR_UNRESOLVED for state in states)
        yield ended, len(states)
        if ended == len(states):
            return
        sleep(POLL_SECONDS)
