"""``manage.py worker``: starts the supervisor, which runs the workers."""

from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand
from django.db import connections

from dupdash.duplication.queue.dispatch import HOUSEKEEPING, enqueue
from dupdash.duplication.queue.supervisor import Supervisor


class Command(BaseCommand):
    help = "Runs the workers: one django-q2 cluster for copies, one for housekeeping. Restarts them if they fail."
    # The other checks load all pages, some 17 MiB that no worker needs.
    requires_system_checks = [Tags.models, Tags.database]

    def handle(self, *args: Any, **options: Any) -> None:
        # A task, not a thread of the supervisor: the supervisor forks, and a fork while a thread holds a lock can hang.
        enqueue(HOUSEKEEPING, "dupdash.duplication.tasks.log_site")
        connections.close_all()
        Supervisor().run()
