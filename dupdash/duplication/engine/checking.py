"""Checks in Moodle whether jobs in the states *checking* and *unresolved* made their copies, and ends these jobs."""

import logging
import math
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous
from dupdash.duplication.drivers.copy_evidence import CopyEvidence, TrackedCourse
from dupdash.duplication.drivers.copy_verdict import Verdict, apply_observation, judge
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy_after_sending,
    may_look_up_requested_name,
    most_likely_temporary_name,
    names_in_baseline,
    observe_copy,
    record_evidence,
    safe_names,
)
from dupdash.duplication.engine import deadlines, empty_shell
from dupdash.duplication.engine.deletion import Guard
from dupdash.duplication.engine.follow import follow_due_jobs
from dupdash.duplication.engine.job_endings import fail, finish
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.name_display import isolate, quote_course
from dupdash.duplication.quantities import times
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, move_job, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, NotSent

logger = logging.getLogger("dupdash.checking")

# After Moodle ended the request with an error, this many lookups show everything that it left.
LOOKUPS_AFTER_AN_ERROR = 3

CHECKED_STATES = (State.CHECKING, State.UNRESOLVED)


def _due(now: datetime) -> list[str]:
    """Return the ids of the jobs that are due for a check. The job that has waited longest is first."""
    jobs = DuplicationJob.objects.filter(state__in=CHECKED_STATES, check_at__lte=now).order_by("check_at")
    return list(jobs.values_list("pk", flat=True))


def check_due_jobs(client: MoodleClient, deadline: float) -> bool:
    """Check every job that is due, until ``deadline``, a time of the monotonic clock.

    Also reads the status of the copies that the site makes in the background, before the first check and after each
    check, so that many checks do not delay the end of these copies' jobs. Returns False if time ran out, or if Moodle
    is down, is misconfigured or did not answer. Then the next sweep checks the remaining jobs.
    """
    if moodle_health.is_down() or not follow_due_jobs(client, deadline):
        return False
    for job_id in _due(timezone.now()):
        if time.monotonic() > deadline or not check(job_id, client, deadline) or not follow_due_jobs(client, deadline):
            return False
    return time.monotonic() <= deadline


def check(job_id: str, client: MoodleClient, deadline: float = math.inf) -> bool:
    """Check a job once if it is due.

    Returns False if no further job should be checked now: this check paused dispatch, or Moodle could not be reached or
    did not answer in time.
    """
    job = DuplicationJob.objects.filter(pk=job_id, state__in=CHECKED_STATES).first()
    if job is None or job.check_at is None or job.check_at > timezone.now():
        return True
    try:
        # Only the process that changes check_at makes the check. Others get StaleJob.
        update_job(
            job,
            guard={"check_at": job.check_at},
            check_at=timezone.now() + timedelta(seconds=_interval_to_next(job)),
            checks=F("checks") + 1,
        )
        _look_up(job, client, deadline)
    except ConfigurationFault as fault:
        moodle_health.pause(fault)
        return False
    except (NotSent, NoTrustworthyAnswer) as lost:
        logger.info("job %s: %s", job_id, lost)
        if site_fault := moodle_health.fault_of_site(client, lost):
            moodle_health.pause(site_fault)
            return False
        return isinstance(lost, NoTrustworthyAnswer) and not lost.timed_out
    except (MoodleError, StaleJob) as passing:
        logger.info("job %s: %s", job_id, passing)
    return True


def _interval_to_next(job: DuplicationJob) -> float:
    """Return the seconds until the next check. They grow with each check, and are more for an unresolved job."""
    steps = min(job.checks, 60)
    if job.state == State.CHECKING:
        return float(min(settings.CHECK_LONGEST, settings.CHECK_FIRST * 1.5**steps))
    return float(min(settings.UNRESOLVED_LONGEST, settings.CHECK_LONGEST * 2.0**steps))


class NamesToLookUp:
    """Yields the temporary names to look up in one check: the most likely one, then the others.

    Yields the first two names in any case, and further names until ``deadline``, a time of the monotonic clock. After
    each check that Moodle answered, the next check begins one name later in the list of the others. So every name is
    looked up after some checks, even if Moodle is slow.
    """

    def __init__(self, job: DuplicationJob, deadline: float) -> None:
        safe = safe_names(job, names_in_baseline(job))
        self._likely = [name for name in most_likely_temporary_name(job) if name in safe]
        others = [name for name in safe if name not in self._likely]
        first = job.answered_checks % max(1, len(others))
        self._others = others[first:] + others[:first]
        self._deadline = deadline
        # Whether this round, together with earlier rounds, looks up every name.
        self.were_all_looked_up = job.answered_checks + 1 >= len(others)

    def __iter__(self) -> Iterator[str]:
        yield from self._likely
        yield from self._others[:1]
        for name in self._others[1:]:
            if time.monotonic() > self._deadline:
                return
            yield name
        self.were_all_looked_up = True


def _look_up(job: DuplicationJob, client: MoodleClient, deadline: float) -> None:
    evidence, expected = evidence_of(job), expected_copy_after_sending(job)
    names = NamesToLookUp(job, deadline)
    requested_name = may_look_up_requested_name(job, evidence)
    try:
        observation = observe_copy(client, evidence, expected, names=names, requested_name=requested_name)
    except (ConfigurationFault, NotSent):
        raise
    except MoodleError:
        # Moodle answers, but this lookup fails, for example because of the contents of a partial course.
        if job.state == State.CHECKING and timezone.now() >= deadlines.checking_deadline(job):
            _give_up(job, evidence, _unanswered_since(job))
            return
        raise
    evidence = apply_observation(evidence, expected, observation)
    # A late answer that arrived meanwhile takes precedence.
    record_evidence(job, evidence, guard=_unanswered_since(job), answered_checks=F("answered_checks") + 1)
    _act_on(
        job, evidence, client, all_names_looked_up=names.were_all_looked_up, requested_name_looked_up=requested_name
    )


def _act_on(
    job: DuplicationJob,
    evidence: CopyEvidence,
    client: MoodleClient,
    *,
    all_names_looked_up: bool,
    requested_name_looked_up: bool,
) -> None:
    """Do what the evidence requires: end the job, queue it again, mark it as unresolved, or leave it unchanged."""
    guard = _unanswered_since(job)
    now = timezone.now()
    own, course_id = evidence.own, evidence.course_id
    with_error = ended_with_error(job)
    retry_deletion = now < deadlines.deletion_deadline(job)
    # A single lookup that does not find a course may be wrong.
    missing_now = any(course.missing for course in ((own,) if own else evidence.present_candidates))
    if with_error and _moodle_ended_request(job, now) and empty_shell.is_deletable(job, evidence):
        limit = deadlines.checking_deadline(job)
        if kept := empty_shell.clean_up(job, evidence, client, guard=guard, deadline=limit):
            _fail_with_partial(job, evidence, guard, note=kept)
        return
    match judge(evidence, deadlines.unchanged_limit(job), settings.CHECK_SETTLED):
        case Verdict.FINISHED if course_id is not None and not (with_error and job.cancel_requested_at is None):
            finish(job, course_id, client, guard=guard, retry_deletion=retry_deletion)
        case Verdict.GONE if course_id is not None and job.cancel_requested_at is not None:
            # The job was cancelled: dupdash deleted the course, and the answer to the deletion was lost.
            finish(job, course_id, client, guard=guard)
        case Verdict.GONE if own is not None:
            fail(
                job,
                "course_gone",
                f"dupdash no longer finds course {own.id} in Moodle.",
                reason=f"dupdash no longer finds the course of this job, id {own.id}, in Moodle. Somebody probably "
                "deleted it.",
                guard=guard,
                course_deleted_at=now,
            )
        case Verdict.PARTIAL:
            _fail_with_partial(job, evidence, guard)
        case Verdict.LIKELY_PARTIAL if requested_name_looked_up or evidence.answered is not None:
            _fail_with_candidates(job, evidence, guard)
        case _ if _moodle_ended_request(job, now) and not missing_now and (own or all_names_looked_up):
            unwanted = job.cancel_requested_at is not None
            if (
                (unwanted or not with_error)
                and course_id is not None
                and own is not None
                and own.has_names_and_contents
            ):
                # Moodle has ended the request, so this course is the result.
                finish(job, course_id, client, guard=guard, retry_deletion=retry_deletion)
            else:
                _fail_after_error(job, evidence, guard)
        case _ if (
            job.state == State.CHECKING
            and now >= deadlines.checking_deadline(job)
            and not (own is not None and own.has_names_and_contents)
        ):
            _give_up(job, evidence, guard)


def _unanswered_since(job: DuplicationJob) -> dict[str, Any]:
    """Return the guard with which an UPDATE matches only if no answer of Moodle was stored since the job was read."""
    return {"course_id": job.course_id, "moodle_done_at": job.moodle_done_at}


def ended_with_error(job: DuplicationJob) -> bool:
    """Return whether Moodle answered with an error. Then the job cannot succeed, even if its course exists in Moodle.

    A status report that the copy failed does not count if it gives no reason: the site may have confused two copies.
    """
    return job.request_error not in ("", asynchronous.FAILED_WITHOUT_REASON)


def _moodle_ended_request(job: DuplicationJob, now: datetime) -> bool:
    """Return whether an error ended the request, and enough lookups have shown what the error left in Moodle."""
    if not job.request_error or job.answered_checks < LOOKUPS_AFTER_AN_ERROR:
        return False
    if ended_with_error(job):
        return True
    # The site may have confused two copies, so this copy gets the time that it would need.
    return now >= (job.checking_since or now) + timedelta(seconds=deadlines.unchanged_limit(job))


def _fail_with_partial(job: DuplicationJob, evidence: CopyEvidence, guard: Guard, *, note: str = "") -> None:
    course = evidence.own
    fail(
        job,
        job.request_error or "partial_course",
        _message_of_moodle(job) or "Moodle stopped in the middle of the copy.",
        reason=f"Moodle stopped in the middle of the copy and left a partial course: id {evidence.course_id}, "
        f"“{_name_of(course)}”, {'not hidden' if course and course.visible else 'hidden'}. {note}".rstrip(),
        data={"course_id": evidence.course_id},
        guard=guard,
    )


def _fail_with_candidates(job: DuplicationJob, evidence: CopyEvidence, guard: Guard) -> None:
    """Fail a job that has no proven course and whose candidates no longer change: Moodle was probably killed."""
    present = (evidence.own,) if evidence.own else evidence.present_candidates
    if len(present) == 1:
        seen = f"This course no longer changes and is probably the partial course of the copy: {_list(present)}."
        advice = "check the course, and delete it if it belongs to the copy"
    else:
        seen = f"These courses no longer change, and one is probably the partial course of the copy: {_list(present)}."
        advice = "check the courses, and delete the one that belongs to the copy"
    fail(
        job,
        job.request_error or "likely_partial_course",
        _message_of_moodle(job) or "The copy was not completed. It probably left a partial course in Moodle.",
        reason=f"Moodle did not complete the copy. {seen} There is no proof of this. A course "
        f"administrator should {advice}.",
        data={"candidates": [course.id for course in present]},
        guard=guard,
    )


def _fail_after_error(job: DuplicationJob, evidence: CopyEvidence, guard: Guard) -> None:
    """Fail a job whose request Moodle ended with an error, and name what the error left in Moodle."""
    if evidence.course_id is not None:
        _fail_with_partial(job, evidence, guard)
        return
    likely = _list(evidence.present_candidates)
    who, them = "A course administrator", "it" if len(evidence.present_candidates) == 1 else "them"
    fail(
        job,
        job.request_error,
        _message_of_moodle(job) or "Moodle stopped with an error and sent no message.",
        reason="Moodle stopped with an error, and no course is proven to come from this job."
        + (f" Moodle may have a part of the copy: {likely}. {who} should check {them}." if likely else ""),
        data={"candidates": [course.id for course in evidence.present_candidates]},
        guard=guard,
    )


def _message_of_moodle(job: DuplicationJob) -> str:
    return str((job.moodle_error or {}).get("message", ""))


def _give_up(job: DuplicationJob, evidence: CopyEvidence, guard: Guard) -> None:
    likely = _list(evidence.present_candidates)
    seen = f"Course {evidence.course_id} comes from this job, but is not complete. " if evidence.course_id else ""
    courses = "Course" if len(evidence.present_candidates) == 1 else "Courses"
    if likely:
        seen += f"{courses} that may be the copy: {likely}. "
    elif evidence.own is None:
        seen += "No course that could be the copy was found. "
    checked = (
        f"dupdash checked {times(job.answered_checks or job.checks)} whether Moodle has a course called "
        f"{quote_course(job.fullname, job.shortname)}"
    )
    checked += (
        ", and found no proof that the copy was made, nor that it was not made."
        if job.answered_checks
        else ", but Moodle did not answer. So there is no proof that the copy was made, nor that it was not made."
    )
    move_job(
        job,
        State.UNRESOLVED,
        kind="unresolved",
        reason=f"{checked} {seen}dupdash keeps checking, less and less often.",
        data={"candidates": [candidate.id for candidate in evidence.present_candidates]},
        guard=guard,
        checks=0,
        answered_checks=0,
        check_at=timezone.now() + timedelta(seconds=settings.CHECK_LONGEST),
    )


def _name_of(course: TrackedCourse | None) -> str:
    return f"{isolate(course.fullname)} ({isolate(course.shortname)})" if course else "without a name"


def _list(courses: tuple[TrackedCourse, ...]) -> str:
    """Return the ids of courses as text, without names, because the reader may not be allowed to see the names."""
    return ", ".join(f"id {course.id}" for course in courses)
