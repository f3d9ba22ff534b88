"""``manage.py prune_jobs``: deletes old finished jobs, and can archive them first."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from dupdash.operations.old_jobs import old_jobs, prune

DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def age(text: str) -> timedelta:
    """Parse an age: ``90d``, ``12w``, ``6m`` or ``3y``. A month has 30 days, and a year 365."""
    found = re.fullmatch(r"([1-9]\d{0,4})([dwmy])", text.strip().lower())
    if found is None:
        raise ArgumentTypeError(f"“{text}” is not an age. Write a number and d, w, m or y, for example 3y.")
    return timedelta(days=int(found[1]) * DAYS[found[2]])


class Command(BaseCommand):
    help = (
        "Deletes jobs that finished long ago, with their events. Courses in Moodle are not touched. A job is kept as "
        "long as its retry is kept, and a failed job as long as its course is still in Moodle."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than",
            type=age,
            required=True,
            metavar="AGE",
            help="delete jobs that finished longer ago than this, for example 3y, 6m, 12w, 90d",
        )
        parser.add_argument(
            "--archive", type=Path, metavar="FILE", help="first write the jobs to a new file (.jsonl.gz)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count the jobs that would be deleted")

    def handle(self, *args: Any, **arguments: Any) -> None:
        before = timezone.now() - arguments["older_than"]
        if arguments["dry_run"]:
            found = old_jobs(before).count()
            self.stdout.write(f"Jobs that finished before {before:%Y-%m-%d %H:%M %Z} and can be deleted: {found:,}.")
            return
        deleted = 0
        try:
            for deleted in prune(before, arguments["archive"]):
                self.stdout.write(f"Deleted jobs: {deleted:,} …")
        except FileExistsError:
            raise CommandError(f"--archive: {arguments['archive']} exists already. Name a new file.") from None
        except OSError as error:
            raise CommandError(
                f"--archive: the file cannot be written: {error.strerror}. Nothing more is deleted."
            ) from None
        self.stdout.write(self.style.SUCCESS(f"Deleted jobs: {deleted:,}."))
