"""Closes batches whose copies have all ended or are unresolved, and emails the results to the requesters."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dupdash.duplication.explanations import explain
from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.states import ENDED_OR_UNRESOLVED, State
from dupdash.notifications.job_mails import can_get_mail, mail
from dupdash.notifications.safe_text import absolute, one_line
from dupdash.rollover.batches.hide_sources import note_sources
from dupdash.rollover.batches.progress import current_jobs, totals_of

logger = logging.getLogger("dupdash.rollover")

# The time within which a copy is noticed that succeeded after its batch was closed.
LATE_FOR = timedelta(days=1)
# The maximum number of failed copies that the email names. Further ones are only counted.
NAMED_MOST = 20


def close_ended() -> None:
    """Close the batches whose copies have all ended or are unresolved.

    Stores which sources are to be hidden, and when the results are emailed.
    """
    # A copy may stay unresolved for days, so the batch does not wait for it.
    going_on = DuplicationJob.objects.filter(batch=OuterRef("pk")).exclude(state__in=ENDED_OR_UNRESOLVED)
    now = timezone.now()
    for batch in Batch.objects.filter(~Exists(going_on), closed_at__isnull=True):
        # This comes before the batch is closed. If the worker dies in between, the next one repeats it.
        note_sources(batch)
        due = now if batch.mail_results and batch.requester_id else None
        Batch.objects.filter(pk=batch.pk, closed_at__isnull=True).update(
            closed_at=now, mail_due_at=due, mail_attempts=0
        )
        logger.info("batch %s has ended", batch.pk)


def note_late_copies() -> None:
    """Mark sources to be hidden whose copies were unresolved when their batch was closed, and succeeded later.

    The requester has the results already, so no second email follows.
    """
    now = timezone.now()
    late = DuplicationJob.objects.filter(
        state=State.SUCCEEDED, finished_at__gt=F("batch__closed_at"), finished_at__gte=now - LATE_FOR
    )
    for batch in Batch.objects.filter(pk__in=late.values("batch")):
        note_sources(batch)
        Batch.objects.filter(pk=batch.pk, closed_at=batch.closed_at).update(closed_at=now)
        logger.info("a copy of batch %s is complete after its end", batch.pk)


def mail_results() -> None:
    """Email the results of closed batches to their requesters. An email that fails is sent again later."""
    for batch in Batch.objects.filter(mail_due_at__lte=timezone.now()).select_related("requester"):
        attempts = batch.mail_attempts + 1
        pause = min(settings.MAIL_RETRY_LONGEST, settings.MAIL_RETRY_FIRST * 2**batch.mail_attempts)
        again = timezone.now() + timedelta(seconds=pause) if attempts < settings.MAIL_ATTEMPTS else None
        # The attempt is recorded before the email is sent, so that a dying worker cannot cause endless emails.
        Batch.objects.filter(pk=batch.pk).update(mail_due_at=again, mail_attempts=attempts)
        requester: User | None = batch.requester
        if requester is None or not can_get_mail(requester):
            Batch.objects.filter(pk=batch.pk).update(mail_due_at=None)
            continue
        try:
            _results_mail(batch, requester).send()
        except (OSError, SMTPException) as error:
            logger.warning("the results of batch %s could not be emailed: %s", batch.pk, error)
        else:
            Batch.objects.filter(pk=batch.pk).update(mail_due_at=None)


def _results_mail(batch: Batch, requester: User) -> EmailMessage:
    totals = totals_of([batch])[batch.pk]
    failed = current_jobs(batch).filter(state=State.FAILED).order_by("batch_row")
    context = {
        "label": isolate(one_line(batch.label)),
        "unresolved": totals.by_state[State.UNRESOLVED],
        "states": [(State(state).label, count) for state, count in sorted(totals.by_state.items()) if count],
        "failed": [
            (job.batch_row, isolate(one_line(in_one_language(job.shortname))), explain(job.failure_code).happened)
            for job in failed[:NAMED_MOST]
        ],
        "more_failed": max(0, totals.failed - NAMED_MOST),
        "url": absolute(reverse("rollover:batch", args=[batch.pk])),
    }
    body = render_to_string("rollover/results_mail.txt", context)
    subject = f"{totals.succeeded} of {totals.total} copies complete: {one_line(batch.label)}"
    return mail(requester, subject, body, identity=f"{batch.pk}.{batch.closed_at:%Y%m%d%H%M%S}")
