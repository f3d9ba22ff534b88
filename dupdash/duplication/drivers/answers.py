"""What the answer or the error of a synchronous duplication proves, compared with what Moodle shows."""

import logging
import time

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_tracker import (
    CopyEvidence,
    CourseSnapshot,
    Observation,
    apply_answer,
    apply_observation,
    matches_request,
)
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
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_health import ADD_FUNCTIONS, DUPLICATE, ask_site
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import JobMovedOn, record_event, update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.synchronous")

# Seconds after which a row that carried the requested short name is past its first milliseconds for certain.
NEWBORN = 1.0


def confirm_answer(
    job: DuplicationJob, lease: Lease, client: MoodleClient, answer: Duplicated, evidence: CopyEvidence
) -> Outcome:
    """Compare Moodle's answer with what Moodle shows: the course it names must carry the requested short name."""
    expected = expected_copy(job)
    try:
        course = client.course_by_id(answer.id)
    except errors.MoodleError as error:
        return outcomes.AnswerLost(f"an answer that could not be confirmed ({error})")
    shown = CourseSnapshot.from_course(course) if course is not None else None
    if evidence.course_id not in (None, answer.id) and (shown is None or not matches_request(shown, expected)):
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, where {evidence.course_id} was seen")
    now = time.time()
    after = apply_answer(evidence, answer.id, now)
    after = apply_observation(after, expected, Observation(now, (shown,) if shown else ()))
    if after.course_id is None:
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, which does not carry the requested names")
    changes = changes_from_evidence(after, job)
    other = evidence.course_id if evidence.course_id != answer.id else None
    reason = f"Moodle's answer names course {answer.id}. Course {other}, under the same names, is not this job's."
    try:
        if other is None:
            retry_until_database_up(lambda: update_job(job, guard=lease.guard, **changes))
        else:
            retry_until_database_up(
                lambda: record_event(job, kind="course_corrected", reason=reason, guard=lease.guard, **changes)
            )
    except JobMovedOn as moved:
        logger.info("%s", moved)
    return outcomes.Finished(answer.id, answered=True)


def outcome_of_error(
    job: DuplicationJob, client: MoodleClient, error: errors.MoodleError, evidence: CopyEvidence
) -> tuple[Outcome, CopyEvidence]:
    """What an error means, after one more round of lookups, and what these showed.

    An answer that says "nothing was started" may come from something on the way that replaced Moodle's own, or from the
    middle of a restore: what Moodle shows is the better evidence.
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

    The requested short name is looked up once. Moodle's own words end the request, so nothing can break by that; where
    something on the way answered in its place, one lookup hits the few dangerous milliseconds hardly ever. Where Moodle
    says that the name is taken, the course in the way may be new, of a request that was sent twice on the way.
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
