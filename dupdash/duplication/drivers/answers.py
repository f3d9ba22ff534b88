"""Stores Moodle's answer to a synchronous duplication, and decides what an error in place of an answer means."""

import contextlib
import logging
import time
from typing import Any

from django.utils import timezone

from dupdash.duplication.driver_choice import DUPLICATE
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_evidence import CopyEvidence
from dupdash.duplication.drivers.copy_verdict import apply_answer, apply_observation
from dupdash.duplication.drivers.lookup import (
    changes_from_evidence,
    expected_copy,
    names_in_baseline,
    observe_copy,
    safe_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import outcome_of_failed_read
from dupdash.duplication.explanations import TAKEN
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_health import ADD_FUNCTIONS, ask_site
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.synchronous")

# Seconds after which a new course is certainly past its first milliseconds.
NEWBORN = 1.0


def store_answer(job: DuplicationJob, lease: Lease, answer: Duplicated, evidence: CopyEvidence) -> Outcome:
    """Store the course that Moodle's answer names, and free the slot, in one UPDATE.

    If this process dies afterwards, the sweep confirms the copy.
    """
    after = apply_answer(evidence, answer.id, time.time())
    changes = changes_from_evidence(evidence, job) | changes_from_answer(job, after)
    with contextlib.suppress(StaleJob):
        retry_until_database_up(lambda: update_job(job, guard=lease.guard, **changes))
    return outcomes.Answered(answer.id)


def changes_from_answer(job: DuplicationJob, evidence: CopyEvidence) -> dict[str, Any]:
    """Return the new values of the columns that Moodle's answer changes. ``evidence``: as after ``apply_answer``."""
    now = timezone.now()
    changes: dict[str, Any] = {
        "evidence": evidence.to_json(),
        "moodle_done_at": job.moodle_done_at or now,
        "source_released_at": job.source_released_at or now,
        "last_response_at": now,
    }
    if evidence.course_id is None:
        # The answer names another course than the one that was proven so far.
        changes |= {"course_id": None, "proof": Proof.NONE}
    return changes


def outcome_of_error(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence
) -> tuple[Outcome, CopyEvidence]:
    """Return the outcome of a request that ended with an error, and the evidence.

    If the error came in a trustworthy answer, one more round of lookups is made first. These lookups count more than
    the error: a proxy may have replaced Moodle's answer with one that says "nothing was started", or the error may come
    from the middle of a restore.
    """
    if isinstance(error, errors.NotSent):
        return outcomes.NothingStarted(error), evidence
    moodle_answered = True
    if not isinstance(error, errors.NoTrustworthyAnswer):
        evidence, moodle_answered = _look_up_once_more(job, client, error, evidence)
    if not ended_by_moodle(error) and evidence.is_complete_in_moodle and evidence.course_id is not None:
        return outcomes.Finished(evidence.course_id), evidence
    return _meaning(job, client, error, evidence, moodle_answered), evidence


def ended_by_moodle(error: errors.MoodleError) -> bool:
    """Return whether Moodle itself sent the error, and so has ended the request."""
    return bool(error.errorcode) or isinstance(error, errors.UnknownRefusal)


def _look_up_once_more(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence
) -> tuple[CopyEvidence, bool]:
    """Return the evidence after one more round of lookups, and whether Moodle answered them.

    The requested short name is looked up once. After Moodle's own error the request has ended, so the lookup breaks
    nothing. After a proxy's error, the lookup would break the copy only if it found the course in its first
    milliseconds, which is very unlikely. If Moodle answers that the name is taken, a proxy may have sent the request
    twice, and the course with the name may be new. So the lookup is made only after NEWBORN seconds.
    """
    if error.errorcode == TAKEN:
        time.sleep(NEWBORN)
    expected = expected_copy(job)
    try:
        observation = observe_copy(
            client,
            evidence,
            expected,
            names=safe_names(job, names_in_baseline(job)),
            requested_name=True,
            contents=False,
        )
    except errors.MoodleError as failed:
        logger.info("job %s: a lookup in Moodle failed: %s", job.pk, failed)
        return evidence, False
    return apply_observation(evidence, expected, observation), True


def _meaning(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence, moodle_answered: bool
) -> Outcome:
    match error:
        case errors.NothingStarted() if _something_began(error, evidence):
            if error.errorcode == TAKEN:
                # A proxy sent the request twice: the course with the name is this job's copy.
                return outcomes.AnswerLost(f"it says that the short name is taken ({TAKEN}), by this job's own copy")
            # After a refusal by Moodle itself the request has ended.
            ended = error.errorcode if isinstance(error, errors.Refused) else ""
            detail = f"{(error.message or error.errorcode).rstrip('.')}, although a new course was seen"
            return outcomes.AnswerLost(detail, ended, error.raw_error)
        case errors.Refused(errorcode=code) if code == TAKEN and not moodle_answered:
            return outcomes.AnswerLost(f"it says that the short name is taken ({code}), maybe by this job's own copy")
        case errors.ConfigurationFault():
            return outcomes.SiteUnavailable(error)
        case errors.TryAgain():
            return outcomes.NothingStarted(error)
        case errors.Refused(errorcode="invalidrecord"):
            return _missing_record(client, error)
        case errors.Refused():
            return outcomes.Refused(error.errorcode, error.message, error.raw_error)
        case _:
            return outcomes.lost(error)


def _something_began(error: errors.NothingStarted, evidence: CopyEvidence) -> bool:
    """Return whether a course was seen that this request may have created, although its error says otherwise.

    A new course with a temporary name may be anybody's. So it does not count if Moodle's own error proves that nothing
    was started (rule 3), or if two backups collided.
    """
    if evidence.course_id is not None:
        return True
    is_proof = isinstance(error, errors.NotSent | errors.TryAgain)
    if is_proof or (isinstance(error, errors.ConfigurationFault) and error.errorcode):
        return False
    return any(course.renamed for course in evidence.candidates)


def _missing_record(client: MoodleClient, refusal: errors.Refused) -> Outcome:
    """Return the outcome of the error ``invalidrecord``.

    This error means that a category is missing, or that the site lacks the function (measured).
    """
    try:
        site = ask_site(client)
    except errors.MoodleError as error:
        return outcome_of_failed_read(error)
    if site.lacks(DUPLICATE):
        return outcomes.SiteUnavailable(
            errors.ConfigurationFault(
                f"The site does not offer {DUPLICATE}.",
                errorcode=refusal.errorcode,
                advice=ADD_FUNCTIONS,
            )
        )
    return outcomes.Refused(refusal.errorcode, refusal.message, refusal.raw_error)
