"""Duplicating through the proposed asynchronous services, where a site has them: one call starts, another follows.

The worker that starts a copy is free at once; ``follow`` is called for every running one by housekeeping.
"""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_tracker import apply_observation, same_name
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy_after_sending,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_read
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.moodle_health import FOLLOW_MANY
from dupdash.duplication.progress import RESTORE_PHASE, overall_of_report
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, record_event
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import ASYNCHRONOUS

logger = logging.getLogger("dupdash.native")

# Moodle's codes backup::STATUS_FINISHED_ERR and backup::STATUS_FINISHED_OK.
FINISHED_ERR = 900
FINISHED_OK = 1000
# A failure that a site tells of an id alone: where it took one duplication for another, ours goes on.
FAILED_BY_ITS_ID = "finished_err"
ENDED_WITHOUT_A_COPY = (State.FAILED, State.CANCELLED, State.REJECTED)


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient) -> Outcome:
    """Start the copy of a claimed job, once, and store its id before anything else is done with it."""
    try:
        with open_async_client() as site:
            of_the_whole = FOLLOW_MANY in site.site_info().functions
        refusal = check_and_mark_sent(job, lease, client, driver=ASYNCHRONOUS)
        if refusal is not None:
            return refusal
    except errors.MoodleError as error:
        return outcome_of_read(error)
    except JobMovedOn:
        return outcomes.LeaseLost()
    except IntegrityError:
        return outcomes.SourceIsBusy()
    try:
        with open_async_client() as site:
            duplicate_id = site.async_duplicate_course(
                source_id=job.source_id,
                fullname=job.fullname,
                shortname=job.shortname,
                category_id=job.category_id,
                options=job.options,
            )
    except errors.NoTrustworthyAnswer as lost:
        return outcomes.AnswerLost(lost.detail)
    except errors.UnknownRefusal as refused:
        return outcomes.AnswerLost(refused.message, refused.errorcode or "error")
    except errors.MoodleError as error:
        if isinstance(error, errors.ConfigurationFault) and not error.errorcode:
            # No words of Moodle's own, so no proof (rule 3): something on the way may have taken their place, and what
            # the site accepted waits in a queue, where nobody sees it.
            return outcomes.AnswerLost(error.message.rstrip("."))
        return outcome_of_read(error)
    retry_until_database_up(lambda: _store(job, lease, duplicate_id, of_the_whole))
    return outcomes.RunsInMoodle()


def _store(job: DuplicationJob, lease: Lease, duplicate_id: str, of_the_whole: bool) -> None:
    try:
        record_event(
            job,
            kind="accepted",
            reason="The site accepted the request and works on it by itself.",
            guard=lease.guard,
            data={"duplicateid": duplicate_id},
            duplicate_id=duplicate_id,
            baseline={**(job.baseline or {}), "of_the_whole": of_the_whole},
            lease_owner="",
            lease_until=None,
            check_at=timezone.now() + timedelta(seconds=settings.FOLLOW_INTERVAL),
        )
    except JobMovedOn:
        # It is being looked up by now; the course will be found, with or without this id.
        logger.warning("job %s: the site's id %s came after the lease was lost", job.pk, duplicate_id)


def follow(job: DuplicationJob, client: MoodleClient) -> Outcome | None:
    """Ask the site how far a running copy is, and look at its course. None: it goes on.

    Raises JobMovedOn where somebody else moved the job, and ConfigurationFault. A site that does not answer is asked
    again later.
    """
    of_the_whole = bool((job.baseline or {}).get("of_the_whole"))
    try:
        with open_async_client() as site:
            status = site.async_duplicate_status(job.duplicate_id)
            # Another dupdash can say why, and of which copy it speaks.
            asked_why = of_the_whole and status.status == FINISHED_ERR
            result = site.async_duplicate_result(job.duplicate_id) if asked_why else None
    except errors.Refused as refusal:
        return outcomes.AnswerLost(f"the site knows nothing of {job.duplicate_id} any more ({refusal.message})")
    except errors.MoodleError as error:
        _asked_in_vain(job, error)
        return None
    if status.status == FINISHED_ERR and result is None:
        return outcomes.AnswerLost("the site says that the copy failed", FAILED_BY_ITS_ID)
    if result is not None and result.state in ENDED_WITHOUT_A_COPY and same_name(result.shortname, job.shortname):
        why = f": {result.failuremessage}" if result.failuremessage else ""
        return outcomes.AnswerLost(f"the site says that the copy failed{why}", result.failurecode or FAILED_BY_ITS_ID)
    facts = evidence_of(job)
    try:
        target = expected_copy_after_sending(job)
        facts = apply_observation(
            facts, target, observe_copy(client, facts, target, temporary=most_likely_temporary_name(job))
        )
    except errors.MoodleError as error:
        _asked_in_vain(job, error)
        return None
    overall = overall_of_report(status.phase, status.status, status.progress, of_the_whole=of_the_whole)
    changes: dict[str, Any] = {"progress_floor": max(job.progress_floor, overall)}
    if status.phase == RESTORE_PHASE:
        changes["phase"] = Phase.RESTORE
    record_evidence(job, facts, **changes)
    if facts.is_there_complete and facts.course_id is not None and status.status == FINISHED_OK:
        return outcomes.Finished(facts.course_id)
    if status.status == FINISHED_OK and facts.course_id is None:
        return outcomes.AnswerLost("the site says that the copy is done, and no such course is seen")
    return None


def _asked_in_vain(job: DuplicationJob, error: errors.MoodleError) -> None:
    if isinstance(error, errors.ConfigurationFault):
        raise error
    logger.info("job %s: the site could not be asked: %s", job.pk, error)
