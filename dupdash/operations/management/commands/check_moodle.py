"""``manage.py check_moodle``: checks whether dupdash can work with the Moodle site, and prints what to do if not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.utils import timezone

from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import worker_status
from dupdash.moodle.errors import ConfigurationFault
from dupdash.operations.host_findings import Finding, Level
from dupdash.operations.moodle_findings import examine_moodle


class Command(BaseCommand):
    help = (
        "Shows the Moodle site, the functions and capabilities that the account lacks, and what to do about it. "
        "Exits with 1 if dupdash cannot work with this site. The command doctor examines more than Moodle."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._describe_worker()
        try:
            with open_client() as client:
                problems = [finding for finding in examine_moodle(client) if not self._show(finding)]
        except ConfigurationFault as fault:
            raise CommandError(str(fault)) from None
        if problems:
            advice = dict.fromkeys(problem.advice for problem in problems if problem.advice)
            raise CommandError("\n".join([*(problem.text for problem in problems), *advice]))
        self.stdout.write(self.style.SUCCESS("dupdash can work with this site."))

    def _show(self, finding: Finding) -> bool:
        """Print a finding that is no problem. Returns False for a problem, which ``handle`` prints as an error."""
        if finding.level == Level.OK:
            self.stdout.write(f"{finding.subject + ':':<8} {finding.text}")
        elif finding.level == Level.WARNING:
            self.stdout.write(self.style.WARNING(finding.text))
        return finding.level != Level.PROBLEM

    def _describe_worker(self) -> None:
        """Print whether a worker is running. A database that cannot be read, as before ``migrate``, is no failure."""
        try:
            worker = worker_status.current()
        except DatabaseError:
            self.stdout.write(
                self.style.WARNING(
                    "Worker:  not known, because the database cannot be read. Run migrate, or check the database."
                )
            )
            return
        if worker.running:
            self.stdout.write("Worker:  running")
            return
        last = timezone.localtime(worker.last_seen_at) if worker.last_seen_at else None
        when = f"none has been running since {last:%Y-%m-%d %H:%M %Z}" if last else "none has been started yet"
        self.stdout.write(self.style.WARNING(f"Worker:  {when}. {worker.advice}"))
