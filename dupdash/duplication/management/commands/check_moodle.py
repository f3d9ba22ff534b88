"""``manage.py check_moodle``: can dupdash work with this site, and if not, what is to be done?"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.utils import timezone

from dupdash.duplication import capabilities, moodle_health
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import worker_status
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.records import UNKNOWN_SITE, SiteInfo

ADD_CAPABILITIES = (
    "Allow them in the role of the account in Moodle: Site administration, Users, Permissions, Define roles. The role "
    "must be assigned to the account in the system context."
)


class Command(BaseCommand):
    help = (
        "Says which Moodle this is, which functions and capabilities the account lacks, and what to do about it. "
        "Ends 1 if dupdash cannot work with this site."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._describe_worker()
        try:
            with open_client() as client:
                self._check(client)
        except ConfigurationFault as fault:
            raise CommandError(_in_full(fault)) from None
        except MoodleError as error:
            raise CommandError(f"{_in_full(error)} Is {settings.MOODLE_URL} the address of the site?") from None
        self.stdout.write(self.style.SUCCESS("dupdash can work with this site."))

    def _check(self, client: MoodleClient) -> None:
        site = moodle_health.ask_site(client)
        self._describe(site)
        if missing := moodle_health.missing_functions(site):
            raise CommandError(f"The token may not call: {', '.join(missing)}.\n{moodle_health.ADD_FUNCTIONS}")
        categories = client.categories()
        if not categories:
            raise moodle_health.no_category()
        self.stdout.write(f"Categories the account may see: {len(categories)}")
        self._check_capabilities(client)
        for left_out in client.left_out:
            self._warn(f"Left out of an answer, because it could not be read: {left_out}")

    def _check_capabilities(self, client: MoodleClient) -> None:
        missing = capabilities.missing(client)
        if missing is None:
            self._warn("The account sees no course, so its capabilities could not be checked.")
            return
        for capability in missing:
            if not capability.required:
                self._warn(f"Without the capability {capability.name} {capability.loss}.")
        if required := [capability for capability in missing if capability.required]:
            lines = (f"The account lacks the capability {one.name}: {one.loss}." for one in required)
            raise CommandError("\n".join((*lines, ADD_CAPABILITIES)))

    def _warn(self, text: str) -> None:
        self.stdout.write(self.style.WARNING(text))

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
        if site is UNKNOWN_SITE:
            self._warn(
                "The site cannot describe itself (core_webservice_get_site_info answers “invalidresponse”). One of its "
                "fields is odd, for example the address of the account's picture. dupdash works without it, and does "
                "not know which functions the token may call."
            )
        else:
            self.stdout.write(f"Site:    {site.sitename} ({site.siteurl})")
            self.stdout.write(f"Version: Moodle {site.release}")
            kind = "a site administrator" if site.is_site_admin else "not a site administrator"
            self.stdout.write(f"Account: {site.username}, {kind}")
            if difference := moodle_health.address_difference(site.siteurl, settings.MOODLE_URL):
                self._warn(difference)
        self.stdout.write(f"Driver:  {moodle_health.choose_driver(site)}")
        for name, loss in moodle_health.OPTIONAL.items():
            if site.lacks(name):
                self._warn(f"Without {name} {loss}.")


def _in_full(error: MoodleError) -> str:
    """The error, with what Moodle says about its cause where its debugging is on."""
    debuginfo = error.words.debuginfo if error.words else ""
    return f"{error} Moodle adds: {debuginfo}" if debuginfo else str(error)
