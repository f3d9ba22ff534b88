"""Jobs whose worker or whose answer was lost: finding them, and finding out the truth about them in Moodle."""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from dupdash.duplication import health
from dupdash.duplication.drivers import native, outcomes
from dupdash.duplication.drivers.looking import changes_by, facts_of, look, temporary_names, wanted
from dupdash.duplication.endings import fail, finish, look_up
from dupdash.duplication.leases import DEAD
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.observer import Facts, Seen, Verdict, fold, judge
from dupdash.duplication.states import State
from dupdash.duplication.transitions import JobMovedOn, move, note, observe
from dupdash.duplication.verification import verify
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent

logger = logging.getLogger("dupdash.recovery")

# Moodle answered with an error and is through with the request: so many looks, then what is there is all there is.
LOOKS_AFTER_AN_ERROR = 3
# Seconds that one sweep looks; a task that takes too long looks like a dead cluster.
LOOKING_MOST = 10.0
# Copies whose report could not be made when they ended are held against their source for so long.
VERIFY_FOR = timedelta(days=1)
# The newest first: a copy that somebody deleted must not be in the way of the others.
VERIFY_AT_ONCE = 5

# A job that a site works on by itself is driven by no worker, and needs no lease.
DRIVEN_BY_A_WORKER = Q(state=State.RUNNING, native_id="")
FOLLOWED = Q(state=State.RUNNING) & ~Q(native_id="")


def recover_dead_leases() -> None:
    """Take back the jobs whose worker is gone: to the queue where nothing was sent, else to be looked up."""
    _take_back(DEAD, "Its worker was lost.")


def release_crew(crew: str) -> None:
    """Take back the jobs of processes that were just killed, without waiting for their leases to run out."""
    _take_back(Q(lease_owner__startswith=f"{crew}:"), "Its worker was stopped.")


def _take_back(whose: Q, why: str) -> None:
    for job in DuplicationJob.objects.filter(DRIVEN_BY_A_WORKER & whose):
        # Whoever renews the lease meanwhile keeps the job.
        guard = {"lease_owner": job.lease_owner, "lease_until": job.lease_until, "native_id": ""}
        try:
            if job.sent_at is not None:
                look_up(job, f"{why} The request had been sent to Moodle.", guard=guard)
            elif job.cancel_requested_at is not None:
                move(job, State.CANCELLED, kind="cancelled", reason="Nothing had been started.", guard=guard)
            else:
                move(
                    job,
                    State.QUEUED,
                    kind="worker_lost",
                    reason=f"{why} Nothing had been sent to Moodle, so it goes back to the queue.",
                    guard=guard,
                    dispatched_at=None,
                )
        except JobMovedOn as moved:
            logger.info("%s", moved)


def _due(now: datetime) -> list[str]:
    """The ids of jobs that are to be looked at in Moodle now, the longest waiting first."""
    looked_up = Q(state__in=(State.CHECKING, State.UNRESOLVED))
    jobs = DuplicationJob.objects.filter(looked_up | FOLLOWED, check_at__lte=now).order_by("check_at")
    return list(jobs.values_list("pk", flat=True))


def check_what_is_due(client: MoodleClient) -> None:
    """Look at every job that is due; a Moodle that is away or slow leaves the rest for the next sweep."""
    deadline = time.monotonic() + LOOKING_MOST
    for job_id in _due(timezone.now()):
        if not check(job_id, client) or time.monotonic() > deadline:
            return


def check(job_id: str, client: MoodleClient) -> bool:
    """Look at a job that is due, once; harmless when called twice, or for a job that is not due.

    False where Moodle could not be reached.
    """
    job = DuplicationJob.objects.filter(pk=job_id).first()
    if job is None or job.check_at is None or job.check_at > timezone.now():
        return True
    try:
        # Whoever changes check_at has the look; the others leave.
        observe(
            job,
            guard={"check_at": job.check_at},
            check_at=timezone.now() + timedelta(seconds=_pause_before_next(job)),
            checks=F("checks") + 1,
        )
        if job.state == State.RUNNING:
            _follow(job, client)
        else:
            _look_up(job, client)
    except ConfigurationFault as fault:
        health.pause(fault)
        return False
    except NotSent as away:
        logger.info("job %s: %s", job_id, away)
        return False
    except (MoodleError, JobMovedOn) as passing:
        logger.info("job %s: %s", job_id, passing)
    return True


def _pause_before_next(job: DuplicationJob) -> float:
    """Seconds until the next look: growing, and for an unresolved job ever rarer."""
    steps = min(job.checks, 60)
    if job.state == State.RUNNING:
        return float(settings.FOLLOW_INTERVAL)
    if job.state == State.CHECKING:
        return float(min(settings.CHECK_LONGEST, settings.CHECK_FIRST * 1.5**steps))
    return float(min(settings.UNRESOLVED_LONGEST, settings.CHECK_LONGEST * 2.0**steps))


def _follow(job: DuplicationJob, client: MoodleClient) -> None:
    match native.follow(job, client):
        case outcomes.Finished(course_id):
            finish(job, course_id, client)
        case outcomes.AnswerLost(detail, errorcode):
            look_up(job, f"The site's own word does not settle it: {detail}.", errorcode=errorcode)
        case None if timezone.now() >= _limit(job):
            # Whoever worked on it there may be dead, and then says the same for ever.
            look_up(job, "The site has not finished it, long after it should have.")


def _look_up(job: DuplicationJob, client: MoodleClient) -> None:
    facts = facts_of(job)
    try:
        sighting = look(client, facts, wanted(job), temporary=temporary_names(job))
    except (ConfigurationFault, NotSent):
        raise
    except MoodleError:
        # Moodle is there, and breaks at this very look (contents of a partial course, for example): not for ever.
        if job.state == State.CHECKING and timezone.now() >= _limit(job):
            _give_up(job, facts)
            return
        raise
    facts = fold(facts, wanted(job), sighting)
    changes = changes_by(facts, job)
    if "seen_at" in changes:
        reason = f"A course of this job was found in Moodle: id {facts.course_id}, “{_name_of(sighting.own)}”."
        note(job, kind="course_seen", reason=reason, **changes)
    else:
        observe(job, **changes)
    now = timezone.now()
    match judge(facts, now.timestamp(), _still(job)):
        case Verdict.FINISHED if facts.course_id is not None:
            finish(job, facts.course_id, client, patient=job.state == State.UNRESOLVED or now < _limit(job))
        case Verdict.GONE if facts.course_id is not None and job.cancel_requested_at is not None:
            # Nobody wants it: gone by our own hand, where the answer to the deletion was lost.
            finish(job, facts.course_id, client)
        case Verdict.GONE:
            fail(
                job,
                "course_gone",
                f"Course {facts.course_id} is not in Moodle any more.",
                reason=f"The course of this job, id {facts.course_id}, was deleted in Moodle by somebody.",
                course_deleted_at=now,
            )
        case Verdict.PARTIAL:
            _fail_with_partial(job, facts)
        case _ if job.failure_code and job.checks >= LOOKS_AFTER_AN_ERROR:
            _fail_after_error(job, facts)
        case _ if job.state == State.CHECKING and now >= _limit(job):
            _give_up(job, facts)


def _still(job: DuplicationJob) -> float:
    """Seconds a partial course must stay unchanged: one whole expected duration."""
    expected = _expected(job)
    return float(max(settings.CHECK_STILL_LEAST, settings.CHECK_LIMIT_UNKNOWN / 3 if expected is None else expected))


def _limit(job: DuplicationJob) -> datetime:
    """Until when a job is looked up before it is called unresolved, or a site's own work on it is believed in."""
    expected = _expected(job)
    seconds = settings.CHECK_LIMIT_UNKNOWN if expected is None else max(settings.CHECK_LIMIT_LEAST, 3 * expected)
    return (job.checking_since or job.sent_at or timezone.now()) + timedelta(seconds=seconds)


def _expected(job: DuplicationJob) -> float | None:
    if job.expected_backup is None or job.expected_restore is None:
        return None
    return job.expected_backup + job.expected_restore


def _fail_with_partial(job: DuplicationJob, facts: Facts) -> None:
    course = facts.last
    fail(
        job,
        job.failure_code or "partial_course",
        job.failure_message or "Moodle stopped in the middle of the copy.",
        reason=f"Moodle stopped in the middle and left a partial course: id {facts.course_id}, "
        f"“{_name_of(course)}”, {'visible to students' if course and course.visible else 'hidden'}.",
        data={"course_id": facts.course_id},
    )


def _fail_after_error(job: DuplicationJob, facts: Facts) -> None:
    """Moodle answered with an error: nothing goes on there any more, whatever it left."""
    if facts.course_id is not None:
        _fail_with_partial(job, facts)
        return
    likely = _list(facts.candidates)
    fail(
        job,
        job.failure_code,
        "Moodle stopped with this error.",
        reason="Moodle stopped with an error, and no course of this job is seen."
        + (f" Somebody should judge in Moodle what these are: {likely}." if likely else ""),
    )


def _give_up(job: DuplicationJob, facts: Facts) -> None:
    likely = _list(facts.candidates)
    seen = f"Course {facts.course_id} is its own, and still not complete. " if facts.course_id else ""
    move(
        job,
        State.UNRESOLVED,
        kind="unresolved",
        reason=f"Looked {job.checks} times for a course called “{job.fullname}” ({job.shortname}): no proof that it "
        f"was made, none that it was not. {seen}"
        + (f"Courses that may be it: {likely}. " if likely else "No course that could be it was seen. ")
        + "It is looked for again, more and more rarely.",
        data={"candidates": [candidate.id for candidate in facts.candidates]},
        checks=0,
        check_at=timezone.now() + timedelta(seconds=settings.CHECK_LONGEST),
    )


def _name_of(course: Seen | None) -> str:
    return f"{course.fullname} ({course.shortname})" if course else "without a name"


def _list(courses: tuple[Seen, ...]) -> str:
    return "; ".join(f"id {course.id}, “{_name_of(course)}”" for course in courses)


def verify_what_was_not(client: MoodleClient) -> None:
    """Make the reports that could not be made when their copies ended."""
    since = timezone.now() - VERIFY_FOR
    missing = DuplicationJob.objects.filter(
        state=State.SUCCEEDED, verification__isnull=True, course_id__isnull=False, finished_at__gte=since
    )
    for job in missing.order_by("-finished_at")[:VERIFY_AT_ONCE]:
        report = verify(job, job.course_id or 0, client)
        if report is not None:
            observe(job, verification=report)
