"""Finds out what a person may do with a failed job, for the advice to that person."""

from django.contrib.auth.models import User

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.advice import Reader
from dupdash.duplication.models import DuplicationJob


def reader_of(job: DuplicationJob, user: User | None, *, may_delete_courses: bool) -> Reader:
    """Return what a person may do with a job. ``may_delete_courses``: whether dupdash's token may delete courses."""
    can_retry = access.may(user, Action.RETRY, job) and job.can_be_retried
    return Reader(
        is_administrator=access.is_administrator(user),
        can_retry=can_retry,
        can_edit=can_retry and access.may_submit(user),
        can_delete=may_delete_courses and access.may(user, Action.DELETE_PARTIAL, job),
    )
