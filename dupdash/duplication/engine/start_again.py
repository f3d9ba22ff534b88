"""Repeats a start call whose answer was lost, at a site that takes an idempotency key (rule 3, third exception).

The site answers with the id of the duplication that it has, or starts it now. Until it answers nothing is looked up.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers import asynchronous
from dupdash.duplication.engine.completion import cancel_unsent, fail
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused, UnknownRefusal

logger = logging.getLogger("dupdash.start_again")

# The pause between two calls grows with the time since the first one.
PAUSE_SHARE = 1 / 8


def repeat_starts(jobs: Iterable[DuplicationJob], deadline: float) -> None:
    """``deadline``: on the monotonic clock. Raises ConfigurationFault."""
    for job in jobs:
        if time.monotonic() > deadline:
            return
        try:
            _repeat(job)
        except StaleJob as moved:
            logger.info("%s", moved)


def _repeat(job: DuplicationJob) -> None:
    unanswered = {"duplicate_id": "", "lease_owner": "", "sent_at": job.sent_at}
    try:
        duplicate_id = asynchronous.call_start(job)
    except Refused as refusal:
        # It knows no call with this key, and makes no copy.
        _end(job, refusal, unanswered)
    except UnknownRefusal as error:
        # Its transaction was rolled back; what comes again and again will not pass. The first call counts.
        if job.checks + 2 >= settings.RETRY_ATTEMPTS:
            _end(job, error, unanswered)
        else:
            _wait(job, unanswered, checks=job.checks + 1)
    except ConfigurationFault as fault:
        _wait(job, unanswered)
        if not asynchronous.may_have_started(fault):
            raise
    except MoodleError as passing:
        logger.info("job %s: the start call is not answered yet: %s", job.pk, passing)
        _wait(job, unanswered)
    else:
        asynchronous.record_start(job, duplicate_id, unanswered)


def _end(job: DuplicationJob, error: MoodleError, guard: Mapping[str, object]) -> None:
    if job.cancel_requested_at is not None:
        cancel_unsent(job, guard=guard)
        return
    fail(job, error.errorcode or "error", error.message, words=error.words, guard=guard, moodle_done_at=timezone.now())


def _wait(job: DuplicationJob, guard: Mapping[str, object], **changes: object) -> None:
    elapsed = (timezone.now() - (job.sent_at or timezone.now())).total_seconds()
    pause = min(settings.CHECK_LONGEST, max(settings.STATUS_INTERVAL, elapsed * PAUSE_SHARE))
    update_job(job, guard=guard, check_at=timezone.now() + timedelta(seconds=pause), **changes)
