"""``manage.py check_moodle``: can dupdash work with this site, and if not, what is to be done?"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import worker_status
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.records import SiteInfo


class Command(BaseCommand):
    help = (
        "Says which Moodle this is, which functions the token lacks, and what to do about it. Ends 1 if it cannot work."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._describe_worker()
        try:
            with open_client() as client:
                site = client.site_info()
                self._describe(site)
                missing = moodle_health.missing_functions(site)
                if not missing:
                    categories = client.categories()
        except ConfigurationFault as fault:
            raise CommandError(str(fault)) from None
        except MoodleError as error:
            raise CommandError(f"{error} Is {settings.MOODLE_URL} the address of the site?") from None
        if missing:
            raise CommandError(f"The token may not call: {', '.join(missing)}.\n{moodle_health.ADD_FUNCTIONS}")
        self.stdout.write(f"Categories the account may see: {len(categories)}")
        self.stdout.write(self.style.SUCCESS("dupdash can work with this site."))

    def _describe_worker(self) -> None:
        """Say whether a worker is running; a site without tables, before the first ``migrate``, is no failure."""
        try:
            worker = worker_status.current()
        except DatabaseError:
            self.stdout.write(
                self.style.WARNING("Worker:  not known, because the database has no tables. Run migrate.")
            )
            return
        if worker.running:
            self.stdout.write("Worker:  running")
            return
        last = timezone.localtime(worker.last_seen_at) if worker.last_seen_at else None
        when = f"none is running since {last:%Y-%m-%d %H:%M %Z}" if last else "none has been started yet"
        self.stdout.write(self.style.WARNING(f"Worker:  {when}. {worker.advice}"))

    def _describe(self, site: SiteInfo) -> None:
        self.stdout.write(f"Site:    {site.sitename} ({site.siteurl})")
        self.stdout.write(f"Version: Moodle {site.release}")
        kind = "a site administrator" if site.is_site_admin else "not a site administrator"
        self.stdout.write(f"Account: {site.username}, {kind}")
        self.stdout.write(f"Driver:  {moodle_health.choose_driver(site)}")
        for name, loss in moodle_health.OPTIONAL.items():
            if site.lacks(name):
                self.stdout.write(self.style.WARNING(f"Without {name} {loss}."))
