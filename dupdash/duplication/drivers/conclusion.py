"""Interprets the status that a site reports for a copy that it makes in the background.

A site with only the two proposed functions reports a status and nothing more, so dupdash also looks up the
course. The Moodle plugin, and another dupdash, also return a result. A result names the course, and so proves it, or
gives the reason for the failure.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from msgspec import to_builtins

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.asynchronous import (
    FAILED_WITHOUT_REASON,
    StatusReport,
    changes_from_report,
    reports_overall_progress,
)
from dupdash.duplication.drivers.copy_evidence import CopyEvidence, CourseSnapshot, Observation
from dupdash.duplication.drivers.copy_verdict import apply_answer, apply_observation
from dupdash.duplication.drivers.lookup import (
    changes_from_evidence,
    evidence_of,
    expected_copy_after_sending,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    safe_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.temporary_names import same_name
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.states import State
from dupdash.duplication.transitions import update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import FINISHED_ERR, FINISHED_OK, AsyncResult, AsyncStatus, CopyReport

logger = logging.getLogger("dupdash.asynchronous")

ENDED_WITHOUT_A_COPY = (State.FAILED, State.CANCELLED, State.REJECTED)


def conclude(job: DuplicationJob, report: StatusReport, client: MoodleClient) -> Outcome | None:
    """Return the outcome of a job according to a status report.

    Returns None if the outcome is not known yet: the copy is not finished, the site does not answer, or its answers
    contradict each other. Raises StaleJob if another process changed the job, and ConfigurationFault.
    """
    status = report.status
    if status is None:
        return _unknown_id(job, report.detail)
    try:
        if reports_overall_progress(job):
            return _from_result(job, status, client)
        return _from_lookup(job, status, client)
    except errors.ConfigurationFault:
        raise
    except errors.MoodleError as error:
        logger.info("job %s: the site did not answer: %s", job.pk, error)
        return None


def _unknown_id(job: DuplicationJob, detail: str) -> Outcome:
    message = f" ({detail})" if detail else ""
    return outcomes.AnswerLost(f"Moodle no longer knows the copy with the id {job.duplicate_id}{message}")


# --- Sites that return a result -----------------------------------------------------------------------------


def _from_result(job: DuplicationJob, status: AsyncStatus, client: MoodleClient) -> Outcome | None:
    """Return the outcome that the site's result shows.

    Returns None if the result contradicts the status or belongs to another copy.
    """
    try:
        with open_async_client() as site:
            result = site.async_duplicate_result(job.duplicate_id)
    except errors.ConfigurationFault:
        raise
    except errors.Refused as refusal:
        return _unknown_id(job, refusal.message)
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
    """Return the outcome after the result named a course.

    One lookup must confirm that the course has the requested names. Otherwise the job is checked.
    """
    course, expected, now = client.course_by_id(course_id), expected_copy_after_sending(job), time.time()
    shown = (CourseSnapshot.from_course(course),) if course is not None else ()
    answered = apply_answer(evidence_of(job), course_id, now)
    evidence = apply_observation(answered, expected, Observation(now, shown))
    if evidence.course_id != course_id:
        detail = f"Moodle reports course {course_id} as the copy, but that course does not have the requested names"
        return outcomes.AnswerLost(detail)
    changes = {**changes_from_evidence(evidence, job), **changes_from_report(job, status)}
    update_job(job, moodle_report=to_builtins(report), **changes)
    return outcomes.Finished(course_id)


def _failed(job: DuplicationJob, result: AsyncResult) -> Outcome:
    if result.state == State.CANCELLED and result.partialcourseid is None and job.cancel_requested_at is not None:
        return outcomes.CancelledInMoodle()
    code = result.failurecode or FAILED_WITHOUT_REASON
    return outcomes.FailedInMoodle(code, result.failuremessage, result.partialcourseid)


# --- Sites with only the two proposed functions -------------------------------------------------------------


def _from_lookup(job: DuplicationJob, status: AsyncStatus, client: MoodleClient) -> Outcome | None:
    done = status.status == FINISHED_OK
    if status.status == FINISHED_ERR:
        return outcomes.AnswerLost("Moodle reports that the copy failed, but gives no reason", FAILED_WITHOUT_REASON)
    evidence = _look_up(job, client, done=done)
    # A lookup takes several requests for each copy, so it is made less often than the status is read.
    next_at = timezone.now() + timedelta(seconds=max(settings.FOLLOW_INTERVAL, settings.STATUS_INTERVAL))
    record_evidence(job, evidence, **changes_from_report(job, status), check_at=next_at)
    if evidence.is_complete_in_moodle and evidence.course_id is not None and done:
        return outcomes.Finished(evidence.course_id)
    if done and evidence.course_id is None:
        return outcomes.AnswerLost("Moodle reports that the copy is complete, but no course with its names was found")
    return None


def _look_up(job: DuplicationJob, client: MoodleClient, *, done: bool) -> CopyEvidence:
    """Look up the copy, and return the evidence.

    ``done``: the site has ended its work. Only then is the requested short name looked up, because the lookup could
    break a copy in progress.
    """
    evidence, expected = evidence_of(job), expected_copy_after_sending(job)
    names = safe_names(job, most_likely_temporary_name(job))
    observation = observe_copy(client, evidence, expected, names=names, requested_name=done)
    return apply_observation(evidence, expected, observation)
