"""Repeats a start call whose answer was lost, at a site that takes an idempotency key.

The key makes the repetition safe (rule 3, third exception): the site answers with the id of the copy that it has
already started, or starts it now. No lookup is made until the site has answered.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers import asynchronous
from dupdash.duplication.engine.job_endings import cancel_unsent, fail
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused, UnknownRefusal

logger = logging.getLogger("dupdash.repeat_start")

# The interval between two calls is this share of the time since the first one.
INTERVAL_SHARE = 1 / 8


def repeat_starts(jobs: Iterable[DuplicationJob], deadline: float) -> None:
    """Repeat the start calls of jobs until ``deadline``, a time of the monotonic clock.

    Raises ConfigurationFault if Moodle itself answers with one. Other errors are handled here.
    """
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
        # The site has no copy with this key, and makes none.
        _end(job, refusal, unanswered)
    except UnknownRefusal as error:
        # The site rolled back its transaction. After several such errors the job ends. The first call counts, too.
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
    fail(
        job,
        error.errorcode or "error",
        error.message,
        raw_error=error.raw_error,
        guard=guard,
        moodle_done_at=timezone.now(),
    )


def _wait(job: DuplicationJob, guard: Mapping[str, object], **changes: object) -> None:
    elapsed = (timezone.now() - (job.sent_at or timezone.now())).total_seconds()
    interval = min(settings.CHECK_LONGEST, max(settings.STATUS_INTERVAL, elapsed * INTERVAL_SHARE))
    update_job(job, guard=guard, check_at=timezone.now() + timedelta(seconds=interval), **changes)
