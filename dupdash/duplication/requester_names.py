"""Updates the requester's name in the rows of jobs, because jobs are searched and sorted by it."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Value
from django.db.models.functions import Concat, StrIndex, Substr
from django.db.models.signals import post_save

from dupdash.duplication.derived_columns import requester_key, requester_text
from dupdash.duplication.models import DuplicationJob

NAMES = {"first_name", "last_name", "username", "email"}


def update_requester_names(user: User) -> None:
    """Write a person's new names into the rows of their jobs. Skips rows that contain these names already."""
    key, first_line = requester_key(user), requester_text(user)
    jobs = DuplicationJob.objects.filter(requester=user)
    rest = Substr("search_text", StrIndex("search_text", Value("\n")) + 1)
    jobs.exclude(search_text__startswith=first_line).update(
        search_text=Concat(Value(first_line), rest), requester_key=key
    )


def _user_saved(instance: User, created: bool, update_fields: frozenset[str] | None = None, **_: Any) -> None:
    if not created and (update_fields is None or NAMES & set(update_fields)):
        update_requester_names(instance)


def connect() -> None:
    post_save.connect(_user_saved, sender=User, dispatch_uid="dupdash.requester_names")
