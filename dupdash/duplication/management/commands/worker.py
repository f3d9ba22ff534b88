"""``manage.py worker``: all that works on jobs, under one supervisor."""

import threading
from typing import Any

from django.core.management.base import BaseCommand

from dupdash.duplication import moodle_health
from dupdash.duplication.queue.supervisor import Supervisor


class Command(BaseCommand):
    help = "Runs the workers: one django-q2 cluster for copies, one for housekeeping, watched over and restarted."

    def handle(self, *args: Any, **options: Any) -> None:
        threading.Thread(target=moodle_health.log_site_at_start, name="site-at-start", daemon=True).start()
        Supervisor().run()
