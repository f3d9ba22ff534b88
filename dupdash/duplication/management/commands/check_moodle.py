"""``manage.py check_moodle``: can dupdash work with this site, and if not, what is to be done?"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dupdash.duplication import moodle_health
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.records import SiteInfo


class Command(BaseCommand):
    help = (
        "Says which Moodle this is, which functions the token lacks, and what to do about it. Ends 1 if it cannot work."
    )

    def handle(self, *args: Any, **options: Any) -> None:
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

    def _describe(self, site: SiteInfo) -> None:
        self.stdout.write(f"Site:    {site.sitename} ({site.siteurl})")
        self.stdout.write(f"Version: Moodle {site.release}")
        kind = "a site administrator" if site.is_site_admin else "not a site administrator"
        self.stdout.write(f"Account: {site.username}, {kind}")
        self.stdout.write(f"Driver:  {moodle_health.choose_driver(site)}")
        for name, loss in moodle_health.OPTIONAL.items():
            if name not in site.functions:
                self.stdout.write(self.style.WARNING(f"Without {name} {loss}."))
