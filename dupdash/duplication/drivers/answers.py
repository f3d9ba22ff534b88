"""Stores the answer of a synchronous duplication, and judges from lookups what its error proves."""

import contextlib
import logging
import time
from typing import Any

from django.utils import timezone

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_tracker import CopyEvidence, apply_answer, apply_observation
from dupdash.duplication.drivers.lookup import (
    changes_from_evidence,
    expected_copy,
    observe_copy,
    safe_names,
    temporary_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import outcome_of_read
from dupdash.duplication.explanations import TAKEN
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_health import ADD_FUNCTIONS, DUPLICATE, ask_site
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.synchronous")

# Seconds after which a row that carried the requested short name is past its first milliseconds for certain.
NEWBORN = 1.0


def store_answer(job: DuplicationJob, lease: Lease, answer: Duplicated, evidence: CopyEvidence) -> Outcome:
    """Store the course that Moodle's answer names, and give the slot back, in one UPDATE.

    If this process dies after it, the sweep confirms the copy from what is stored.
    """
    after = apply_answer(evidence, answer.id, time.time())
    changes = changes_from_evidence(evidence, job) | changes_from_answer(job, after)
    with contextlib.suppress(StaleJob):
        retry_until_database_up(lambda: update_job(job, guard=lease.guard, **changes))
    return outcomes.Answered(answer.id)


def changes_from_answer(job: DuplicationJob, evidence: CopyEvidence) -> dict[str, Any]:
    """The columns of a job that change with Moodle's answer, which is in the evidence already."""
    now = timezone.now()
    changes: dict[str, Any] = {
        "facts": evidence.to_json(),
        "moodle_done_at": job.moodle_done_at or now,
        "source_released_at": job.source_released_at or now,
        "last_response_at": now,
    }
    if evidence.course_id is None:
        # Unless a lookup had proven it already: another course that was taken for the copy is none.
        changes |= {"course_id": None, "proof": Proof.NONE}
    return changes


def outcome_of_error(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence
) -> tuple[Outcome, CopyEvidence]:
    """What an error means, after one more round of lookups, and what these showed.

    A proxy may have replaced Moodle's answer with one that says "nothing was started", or the answer comes from the
    middle of a restore. What the lookups show is the better evidence.
    """
    if isinstance(error, errors.NotSent):
        return outcomes.NothingStarted(error), evidence
    looked = True
    if not isinstance(error, errors.NoTrustworthyAnswer):
        evidence, looked = _look_once_more(job, client, error, evidence)
    if not ended_by_moodle(error) and evidence.is_there_complete and evidence.course_id is not None:
        return outcomes.Finished(evidence.course_id), evidence
    return _meaning(job, client, error, evidence, looked), evidence


def ended_by_moodle(error: errors.MoodleError) -> bool:
    """Whether an error is in Moodle's own words, which end the request: nothing goes on there any more."""
    return bool(error.errorcode) or isinstance(error, errors.UnknownRefusal)


def _look_once_more(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence
) -> tuple[CopyEvidence, bool]:
    """What is known after one more round of lookups, and whether Moodle could be asked.

    The requested short name is looked up once. Moodle's own error ends the request, so this lookup can break nothing.
    Where a proxy answered in place of Moodle, one lookup hardly ever meets the few dangerous milliseconds. Where Moodle
    answers that the name is taken, a proxy may have sent the request twice, and the course with the name may be new.
    """
    if error.errorcode == TAKEN:
        time.sleep(NEWBORN)
    expected = expected_copy(job)
    try:
        observation = observe_copy(
            client,
            evidence,
            expected,
            names=safe_names(job, temporary_names(job)),
            requested_name=True,
            contents=False,
        )
    except errors.MoodleError as failed:
        logger.info("job %s: a lookup in Moodle failed: %s", job.pk, failed)
        return evidence, False
    return apply_observation(evidence, expected, observation), True


def _meaning(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence, looked: bool
) -> Outcome:
    match error:
        case errors.NothingStarted() if _something_began(error, evidence):
            if error.errorcode == TAKEN:
                # Somebody on the way sent our request twice: the course that is in the way is our own, and goes on.
                return outcomes.AnswerLost(f"{TAKEN}, though our own copy is under way")
            # A refusal in Moodle's own words ends the request.
            ended = error.errorcode if isinstance(error, errors.Refused) else ""
            detail = f"{error.message or error.errorcode}, though a new course was seen"
            return outcomes.AnswerLost(detail, ended, error.words)
        case errors.Refused(errorcode=code) if code == TAKEN and not looked:
            return outcomes.AnswerLost(f"{code}, and whether the course in the way is our own is not known")
        case errors.ConfigurationFault():
            return outcomes.SiteUnavailable(error)
        case errors.TryAgain():
            return outcomes.NothingStarted(error)
        case errors.Refused(errorcode="invalidrecord"):
            return _missing_record(client, error)
        case errors.Refused():
            return outcomes.Refused(error.errorcode, error.message, error.words)
        case errors.UnknownRefusal():
            return outcomes.AnswerLost(error.message, error.errorcode or "error", error.words)
        case errors.NoTrustworthyAnswer():
            return outcomes.AnswerLost(error.detail)
        case _:
            return outcomes.AnswerLost(str(error))


def _something_began(error: errors.NothingStarted, evidence: CopyEvidence) -> bool:
    """Whether Moodle shows what this request may have begun, whatever was answered.

    A new course under a temporary name may be anybody's. Where Moodle's own words prove that nothing was started
    (rule 3), or where two backups collided, it is somebody else's.
    """
    if evidence.course_id is not None:
        return True
    believed = isinstance(error, errors.NotSent | errors.TryAgain)
    if believed or (isinstance(error, errors.ConfigurationFault) and error.errorcode):
        return False
    return any(course.renamed for course in evidence.candidates)


def _missing_record(client: MoodleClient, refusal: errors.Refused) -> Outcome:
    """``invalidrecord``: a missing category, or a function that the site does not know (measured)."""
    try:
        site = ask_site(client)
    except errors.MoodleError as error:
        return outcome_of_read(error)
    if site.lacks(DUPLICATE):
        return outcomes.SiteUnavailable(
            errors.ConfigurationFault(
                f"The site does not offer {DUPLICATE}.",
                errorcode=refusal.errorcode,
                advice=ADD_FUNCTIONS,
            )
        )
    return outcomes.Refused(refusal.errorcode, refusal.message, refusal.words)
