"""``manage.py write_reference``: generates docs/reference/ from the source code, for ``scripts/docs``."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from dupdash.operations.reference import write_pages


class Command(BaseCommand):
    help = "Writes the reference pages in docs/reference: settings, commands and errors."

    def handle(self, *args: Any, **arguments: Any) -> None:
        write_pages(settings.BASE_DIR / ".env.example", settings.BASE_DIR / "docs" / "reference")
