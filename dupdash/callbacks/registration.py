"""Registers what ``sender.py`` sends: callbacks about jobs that end, and messages about failed jobs to the chat."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from dupdash.accounts.models import ApiToken
from dupdash.callbacks.models import Callback, CallbackDefault
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State

CHAT_BATCH = 500
# Older failures are not reported, so that a newly configured chat does not get all earlier ones.
CHAT_PERIOD = timedelta(days=1)


def register(job: DuplicationJob, token: ApiToken, url: str) -> None:
    """Register a callback for the end of a job, to ``url`` or, if that is empty, to the URL of the token.

    Does nothing if both are empty, or if the job already has a callback of this token.
    """
    if not url:
        default = CallbackDefault.objects.filter(token=token).first()
        url = default.address if default else ""
    if url:
        Callback.objects.get_or_create(job=job, token=token, defaults={"address": url})


def register_chat_messages() -> None:
    """Register a message to the chat for each job that failed within CHAT_PERIOD, if a chat is configured."""
    if not settings.CHAT_WEBHOOK_URL:
        return
    told = Callback.objects.filter(job=OuterRef("pk"), token=None)
    lately = DuplicationJob.objects.filter(state=State.FAILED, finished_at__gte=timezone.now() - CHAT_PERIOD)
    failed = lately.exclude(Exists(told))
    Callback.objects.bulk_create([Callback(job=job) for job in failed[:CHAT_BATCH]], ignore_conflicts=True)
