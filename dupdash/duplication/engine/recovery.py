"""Jobs whose worker or whose answer was lost: finding them, and finding out the truth about them in Moodle."""

import logging
import math
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from dupdash.duplication import moodle_health
from dupdash.duplication.drivers import asynchronous
from dupdash.duplication.drivers.copy_tracker import CopyEvidence, CourseSnapshot, Verdict, apply_observation, judge
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy_after_sending,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    temporary_names,
)
from dupdash.duplication.engine import deadlines
from dupdash.duplication.engine.completion import Guard, cancel_unsent, fail, finish, retry_delay, start_checking
from dupdash.duplication.engine.follow import follow_due_jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue.leases import DEAD, doubted_long_enough
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import isolate, quote_course
from dupdash.duplication.transitions import JobMovedOn, move_job, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, NotSent

logger = logging.getLogger("dupdash.recovery")

# Moodle answered with an error and is through with the request: so many looks, then what is there is all there is.
LOOKS_AFTER_AN_ERROR = 3

LOOKED_UP = (State.CHECKING, State.UNRESOLVED)
# A job that a site works on by itself is driven by no worker, and needs no lease.
DRIVEN_BY_A_WORKER = Q(state=State.RUNNING, duplicate_id="")


def recover_dead_leases() -> None:
    """Take back the jobs whose worker is gone: to the queue where nothing was sent, else to be looked up.

    Not at once: after a database that was away every lease is dead, and the first sweep may come before the workers.
    """
    driven = DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & DEAD)
    driven.filter(lease_expired_seen_at__isnull=True).update(lease_expired_seen_at=Now())
    _take_back(DEAD & doubted_long_enough(), "Its worker was lost.", at_fault=True)


def release_crew(crew: str, *, at_fault: bool) -> None:
    """Take back the jobs of processes that were just killed, without waiting for their leases to run out.

    ``at_fault``: they were not stopped by a person, and one of these jobs may be what they died of.
    """
    why = "Its worker was lost." if at_fault else "Its worker was stopped."
    _take_back(Q(lease_owner__startswith=f"{crew}:"), why, at_fault=at_fault)


def _take_back(whose: Q, why: str, *, at_fault: bool) -> None:
    """``at_fault``: the job itself may be what its worker died of."""
    for job in DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & whose):
        # Whoever renews the lease meanwhile keeps the job; whoever sends or cancels it changes what is to be done.
        guard = {
            "lease_owner": job.lease_owner,
            "lease_until": job.lease_until,
            "duplicate_id": "",
            "sent_at": job.sent_at,
            "cancel_requested_at": job.cancel_requested_at,
        }
        try:
            if job.sent_at is not None:
                start_checking(job, f"{why} The request had been sent to Moodle.", guard=guard)
            elif job.cancel_requested_at is not None:
                cancel_unsent(job, guard=guard)
            elif at_fault and job.attempts >= settings.RETRY_ATTEMPTS:
                message = f"{why} Nothing had been sent to Moodle. Tried {job.attempts} times."
                fail(job, "worker_lost", message, reason=message, guard=guard)
            else:
                _back_to_queue(job, why, guard, at_fault=at_fault)
        except JobMovedOn as moved:
            logger.info("%s", moved)


def _back_to_queue(job: DuplicationJob, why: str, guard: dict[str, Any], *, at_fault: bool) -> None:
    turn: dict[str, Any]
    if at_fault:
        turn = {"not_before": timezone.now() + retry_delay(job.attempts)}
    else:
        turn = {"attempts": max(0, job.attempts - 1)}
    move_job(
        job,
        State.QUEUED,
        kind="worker_lost",
        reason=f"{why} Nothing had been sent to Moodle, so it goes back to the queue.",
        guard=guard,
        dispatched_at=None,
        **turn,
    )


def _due(now: datetime) -> list[str]:
    """The ids of jobs whose copy is to be looked up in Moodle now, the longest waiting first."""
    jobs = DuplicationJob.objects.filter(state__in=LOOKED_UP, check_at__lte=now).order_by("check_at")
    return list(jobs.values_list("pk", flat=True))


def check_due_jobs(client: MoodleClient, deadline: float) -> bool:
    """Check every job that is due; a Moodle that is away or slow leaves the rest for the next sweep.

    Copies that the site makes by itself are followed between two lookups, so that many lost answers do not delay the
    end of a copy. ``deadline``: on the monotonic clock. False where there was no time, or no answer, for all of them.
    """
    if moodle_health.is_down() or not follow_due_jobs(client, deadline):
        return False
    for job_id in _due(timezone.now()):
        if time.monotonic() > deadline or not check(job_id, client, deadline) or not follow_due_jobs(client, deadline):
            return False
    return time.monotonic() <= deadline


def check(job_id: str, client: MoodleClient, deadline: float = math.inf) -> bool:
    """Look at a job that is due, once; harmless when called twice, or for a job that is not due.

    False where Moodle could not be reached, or did not answer in time.
    """
    job = DuplicationJob.objects.filter(pk=job_id, state__in=LOOKED_UP).first()
    if job is None or job.check_at is None or job.check_at > timezone.now():
        return True
    try:
        # Whoever changes check_at has the look; the others leave.
        update_job(
            job,
            guard={"check_at": job.check_at},
            check_at=timezone.now() + timedelta(seconds=_pause_before_next(job)),
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
    except (MoodleError, JobMovedOn) as passing:
        logger.info("job %s: %s", job_id, passing)
    return True


def _pause_before_next(job: DuplicationJob) -> float:
    """Seconds until the next look: growing, and for an unresolved job ever rarer."""
    steps = min(job.checks, 60)
    if job.state == State.CHECKING:
        return float(min(settings.CHECK_LONGEST, settings.CHECK_FIRST * 1.5**steps))
    return float(min(settings.UNRESOLVED_LONGEST, settings.CHECK_LONGEST * 2.0**steps))


class Names:
    """The temporary names to look under: the likely one and one more, and all the others while there is time.

    Each look begins with another one, so that those of a slow Moodle come to all of them, too.
    """

    def __init__(self, job: DuplicationJob, deadline: float) -> None:
        self._likely = most_likely_temporary_name(job)
        others = [name for name in temporary_names(job) if name not in self._likely]
        first = job.looks % max(1, len(others))
        self._others = others[first:] + others[:first]
        self._deadline = deadline
        # By this look, or by this and the ones before it.
        self.were_all_seen = job.looks + 1 >= len(others)

    def __iter__(self) -> Iterator[str]:
        yield from self._likely
        yield from self._others[:1]
        for name in self._others[1:]:
            if time.monotonic() > self._deadline:
                return
            yield name
        self.were_all_seen = True


def _look_up(job: DuplicationJob, client: MoodleClient, deadline: float) -> None:
    facts, target = evidence_of(job), expected_copy_after_sending(job)
    names = Names(job, deadline)
    try:
        sighting = observe_copy(client, facts, target, temporary=names)
    except (ConfigurationFault, NotSent):
        raise
    except MoodleError:
        # Moodle is there, and breaks at this very look (contents of a partial course, for example): not for ever.
        if job.state == State.CHECKING and timezone.now() >= deadlines.checking_deadline(job):
            _give_up(job, facts, {"course_id": job.course_id})
            return
        raise
    facts = apply_observation(facts, target, sighting)
    # An answer that comes late meanwhile knows better.
    record_evidence(job, facts, guard={"course_id": job.course_id}, looks=F("looks") + 1)
    known = {"course_id": job.course_id}
    now = timezone.now()
    match judge(facts, deadlines.unchanged_limit(job), settings.CHECK_SETTLED):
        case Verdict.FINISHED if facts.course_id is not None:
            finish(job, facts.course_id, client, guard=known, patient=now < deadlines.removal_deadline(job))
        case Verdict.GONE if facts.course_id is not None and job.cancel_requested_at is not None:
            # Nobody wants it: gone by our own hand, where the answer to the deletion was lost.
            finish(job, facts.course_id, client, guard=known)
        case Verdict.GONE:
            fail(
                job,
                "course_gone",
                f"Course {facts.course_id} is not in Moodle any more.",
                reason=f"The course of this job, id {facts.course_id}, was deleted in Moodle by somebody.",
                guard=known,
                course_deleted_at=now,
            )
        case Verdict.PARTIAL:
            _fail_with_partial(job, facts, known)
        case _ if not facts.missing and _moodle_is_through(job, now) and (facts.course_id or names.were_all_seen):
            if facts.has_all and facts.course_id is not None:
                # Moodle is through with the request, and this is what came of it.
                finish(job, facts.course_id, client, guard=known, patient=now < deadlines.removal_deadline(job))
            else:
                _fail_after_error(job, facts, known)
        case _ if job.state == State.CHECKING and now >= deadlines.checking_deadline(job) and not facts.has_all:
            _give_up(job, facts, known)


def _moodle_is_through(job: DuplicationJob, now: datetime) -> bool:
    """Whether an error ended the request, so that what some looks have shown by now is all there is."""
    if not job.failure_code or job.looks < LOOKS_AFTER_AN_ERROR:
        return False
    if job.failure_code != asynchronous.FAILED_BY_ITS_ID:
        return True
    # It may have been said of another copy: ours is given the time that it would need.
    return now >= (job.checking_since or now) + timedelta(seconds=deadlines.unchanged_limit(job))


def _fail_with_partial(job: DuplicationJob, facts: CopyEvidence, guard: Guard) -> None:
    course = facts.last
    fail(
        job,
        job.failure_code or "partial_course",
        _message_of_moodle(job) or "Moodle stopped in the middle of the copy.",
        reason=f"Moodle stopped in the middle and left a partial course: id {facts.course_id}, "
        f"“{_name_of(course)}”, {'visible to students' if course and course.visible else 'hidden'}.",
        data={"course_id": facts.course_id},
        guard=guard,
    )


def _fail_after_error(job: DuplicationJob, facts: CopyEvidence, guard: Guard) -> None:
    """Moodle answered with an error: nothing goes on there any more, whatever it left."""
    if facts.course_id is not None:
        _fail_with_partial(job, facts, guard)
        return
    likely = _list(facts.candidates)
    fail(
        job,
        job.failure_code,
        _message_of_moodle(job) or "Moodle stopped with an error and sent no message.",
        reason="Moodle stopped with an error, and no course of this job is seen."
        + (f" Somebody should judge in Moodle what these are: {likely}." if likely else ""),
        guard=guard,
    )


def _message_of_moodle(job: DuplicationJob) -> str:
    return str((job.moodle_error or {}).get("message", ""))


def _give_up(job: DuplicationJob, facts: CopyEvidence, guard: Guard) -> None:
    likely = _list(facts.candidates)
    seen = f"Course {facts.course_id} is its own, and still not complete. " if facts.course_id else ""
    answered = "once" if job.looks == 1 else f"{job.looks} times"
    looked = f"Looked {answered}" if job.looks else f"Moodle answered none of {job.checks} looks"
    move_job(
        job,
        State.UNRESOLVED,
        kind="unresolved",
        reason=f"{looked} for a course called {quote_course(job.fullname, job.shortname)}: no proof that it "
        f"was made, none that it was not. {seen}"
        + (f"Courses that may be it: {likely}. " if likely else "No course that could be it was seen. ")
        + "It is looked for again, more and more rarely.",
        data={"candidates": [candidate.id for candidate in facts.candidates]},
        guard=guard,
        checks=0,
        looks=0,
        check_at=timezone.now() + timedelta(seconds=settings.CHECK_LONGEST),
    )


def _name_of(course: CourseSnapshot | None) -> str:
    return f"{isolate(course.fullname)} ({isolate(course.shortname)})" if course else "without a name"


def _list(courses: tuple[CourseSnapshot, ...]) -> str:
    """By their ids: what they are called may be none of the reader's business."""
    return ", ".join(f"id {course.id}" for course in courses)
