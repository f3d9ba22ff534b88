"""``manage.py worker``: runs all workers under one supervisor."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from dupdash.duplication.queue.dispatch import HOUSEKEEPING, enqueue
from dupdash.duplication.queue.supervisor import Supervisor


class Command(BaseCommand):
    help = "Runs the workers: one django-q2 cluster for copies, one for housekeeping, watched over and restarted."

    def handle(self, *args: Any, **options: Any) -> None:
        # A task and not a thread of the supervisor, which forks: a fork while another thread holds a lock hangs.
        enqueue(HOUSEKEEPING, "dupdash.duplication.tasks.log_site")
        connections.close_all()
        Supervisor().run()
