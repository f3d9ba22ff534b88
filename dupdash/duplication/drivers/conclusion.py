"""What the report of a site that makes a copy by itself means for its job.

As proposed, a site tells of a duplication by its id alone, and what it says is compared with the course in Moodle. With
the companions it names the course in its own result, which is the proof, and the reason of a failure.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from msgspec import to_builtins

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.asynchronous import (
    FAILED_BY_ITS_ID,
    FINISHED_ERR,
    FINISHED_OK,
    Report,
    changes_from_report,
    reports_the_whole,
)
from dupdash.duplication.drivers.copy_tracker import (
    CopyEvidence,
    CourseSnapshot,
    Observation,
    apply_answer,
    apply_observation,
)
from dupdash.duplication.drivers.lookup import (
    changes_from_evidence,
    evidence_of,
    expected_copy_after_sending,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    safe_names,
)
from dupdash.duplication.drivers.names import same_name
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.states import State
from dupdash.duplication.transitions import update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import AsyncResult, AsyncStatus, CopyReport

logger = logging.getLogger("dupdash.native")

ENDED_WITHOUT_A_COPY = (State.FAILED, State.CANCELLED, State.REJECTED)


def conclude(job: DuplicationJob, report: Report, client: MoodleClient) -> Outcome | None:
    """What a report means for its job. None: the copy is not finished, or nothing could be learned now.

    Raises StaleJob where somebody else moved the job, and ConfigurationFault. A site that does not answer is asked
    again later.
    """
    status = report.status
    if status is None:
        return _forgotten(job, report.detail)
    try:
        if reports_the_whole(job):
            return _from_its_result(job, status, client)
        return _compared_with_moodle(job, status, client)
    except errors.ConfigurationFault:
        raise
    except errors.MoodleError as error:
        logger.info("job %s: the site could not be asked: %s", job.pk, error)
        return None


def _forgotten(job: DuplicationJob, detail: str) -> Outcome:
    words = f" ({detail})" if detail else ""
    return outcomes.AnswerLost(f"the site knows nothing of {job.duplicate_id} any more{words}")


# --- With the companions ------------------------------------------------------------------------------------


def _from_its_result(job: DuplicationJob, status: AsyncStatus, client: MoodleClient) -> Outcome | None:
    """A result that contradicts the status, or is another copy's, says nothing."""
    try:
        with open_async_client() as site:
            result = site.async_duplicate_result(job.duplicate_id)
    except errors.ConfigurationFault:
        raise
    except errors.Refused as refusal:
        return _forgotten(job, refusal.message)
    if not same_name(result.shortname, job.shortname):
        return None
    if status.status == FINISHED_OK and result.state == State.SUCCEEDED and result.courseid is not None:
        return _finished(job, status, result.courseid, result.report, client)
    if status.status == FINISHED_ERR and result.state in ENDED_WITHOUT_A_COPY:
        return _failed(job, result)
    return None


def _finished(
    job: DuplicationJob, status: AsyncStatus, course_id: int, report: CopyReport | None, client: MoodleClient
) -> Outcome:
    """The site has made the course and says which one it is; one lookup confirms that it has the requested names."""
    course, expected, now = client.course_by_id(course_id), expected_copy_after_sending(job), time.time()
    shown = (CourseSnapshot.from_course(course),) if course is not None else ()
    answered = apply_answer(evidence_of(job), course_id, now)
    evidence = apply_observation(answered, expected, Observation(now, shown))
    if evidence.course_id != course_id:
        return outcomes.AnswerLost(f"the site names course {course_id}, which does not carry the requested names")
    changes = {**changes_from_evidence(evidence, job), **changes_from_report(job, status)}
    update_job(job, moodle_report=to_builtins(report), **changes)
    return outcomes.Finished(course_id)


def _failed(job: DuplicationJob, result: AsyncResult) -> Outcome:
    if result.state == State.CANCELLED and result.partialcourseid is None and job.cancel_requested_at is not None:
        return outcomes.CancelledInMoodle()
    code = result.failurecode or FAILED_BY_ITS_ID
    return outcomes.FailedInMoodle(code, result.failuremessage, result.partialcourseid)


# --- As proposed --------------------------------------------------------------------------------------------


def _compared_with_moodle(job: DuplicationJob, status: AsyncStatus, client: MoodleClient) -> Outcome | None:
    done = status.status == FINISHED_OK
    if status.status == FINISHED_ERR:
        return outcomes.AnswerLost("the site says that the copy failed", FAILED_BY_ITS_ID)
    evidence = _look(job, client, done=done)
    # Such a lookup costs several requests for each copy.
    next_at = timezone.now() + timedelta(seconds=max(settings.FOLLOW_INTERVAL, settings.STATUS_INTERVAL))
    record_evidence(job, evidence, **changes_from_report(job, status), check_at=next_at)
    if evidence.is_there_complete and evidence.course_id is not None and done:
        return outcomes.Finished(evidence.course_id)
    if done and evidence.course_id is None:
        return outcomes.AnswerLost("the site says that the copy is done, and no such course is seen")
    return None


def _look(job: DuplicationJob, client: MoodleClient, *, done: bool) -> CopyEvidence:
    """``done``: the site has ended its work. Before that nothing looks for the requested short name: that could break
    the copy."""
    evidence, expected = evidence_of(job), expected_copy_after_sending(job)
    names = safe_names(job, most_likely_temporary_name(job))
    observation = observe_copy(client, evidence, expected, names=names, requested_name=done)
    return apply_observation(evidence, expected, observation)
