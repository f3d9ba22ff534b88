"""Duplicating through Moodle's synchronous service: one call that waits, and a second connection that watches.

Raises nothing a Moodle or a database can cause: what became of the attempt is its Outcome.
"""

import contextlib
import logging
import threading
import time
from itertools import cycle, islice
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, close_old_connections

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.copy_tracker import (
    CopyEvidence,
    CourseSnapshot,
    Observation,
    apply_answer,
    apply_observation,
    is_temporary_short_name,
    matches_request,
    same_name,
)
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    temporary_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_read
from dupdash.duplication.explanations import TAKEN
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.moodle_health import ADD_FUNCTIONS, DUPLICATE, ask_site
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import JobMovedOn, record_event, update_job
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import SYNCHRONOUS
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.waiting")

# How often the contents of a copy are asked for while it is restored: dear, and seldom news.
CONTENT_LOOKS = 8
# A copy that is complete, and whose answer does not come: how many looks it is waited for.
LOOKS_FOR_THE_ANSWER = 5


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient) -> Outcome:
    """Have the source of a claimed job duplicated, once, and watch it until it is done or its answer is lost."""
    try:
        refusal = check_and_mark_sent(job, lease, client, driver=SYNCHRONOUS)
    except errors.MoodleError as error:
        return outcome_of_read(error)
    except JobMovedOn:
        return outcomes.LeaseLost()
    except IntegrityError:
        return outcomes.SourceIsBusy()
    if refusal is not None:
        return refusal
    call = Call(client, job)
    call.start()
    facts, ours = _watch(job, lease, client, call)
    if ours:
        _keep(job, lease, facts)
        return _conclude(job, lease, client, call, facts)
    # Somebody took the job back, and it is being looked up.
    retry_until_database_up(lambda: _hand_over(job, facts))
    return outcomes.LeaseLost(in_the_end=lambda: _hear_the_answer(job, lease, call))


class Call(threading.Thread):
    """The one request that may start something, in a thread of its own; its answer or its error is kept."""

    def __init__(self, client: MoodleClient, job: DuplicationJob) -> None:
        super().__init__(name=f"call-{job.pk}", daemon=True)
        self.answer: Duplicated | None = None
        self.error: errors.MoodleError | None = None
        self._client = client
        self._arguments: dict[str, Any] = {
            "source_id": job.source_id,
            "fullname": job.fullname,
            "shortname": job.shortname,
            "category_id": job.category_id,
            "visible": job.visible,
            "options": job.options,
        }

    def run(self) -> None:
        try:
            self.answer = self._client.duplicate_course(**self._arguments)
        except errors.MoodleError as error:
            self.error = error


def _hand_over(job: DuplicationJob, facts: CopyEvidence) -> None:
    """Tell whoever looks the job up now which course is its own: it may have been seen while the database was away."""
    job.refresh_from_db()
    if facts.course_id is None or job.course_id is not None or job.is_terminal:
        return
    try:
        record_evidence(job, facts, guard={"course_id": None, "sent_at": job.sent_at})
    except JobMovedOn as moved:
        logger.info("%s", moved)


def _hear_the_answer(job: DuplicationJob, lease: Lease, call: Call) -> Outcome:
    """What Moodle says in the end to the request of a job that was taken back."""
    call.join()
    retry_until_database_up(job.refresh_from_db)
    with open_client() as client:
        return _conclude(job, lease, client, call, evidence_of(job))


def _watch(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call) -> tuple[CopyEvidence, bool]:
    """Record the milestones while the call waits; ends with the call, or with a copy that is complete without it.

    Returns what was seen, and whether the job is still ours.
    """
    facts = evidence_of(job)
    target = expected_copy(job)
    names = cycle(temporary_names(job))
    content_period = max(settings.FOLLOW_INTERVAL, (job.expected_restore or 0) / CONTENT_LOOKS)
    next_names = next_content = time.monotonic() + settings.FOLLOW_INTERVAL
    complete_looks = 0
    while not _ended(call, facts):
        if lease.lost.is_set():
            return facts, False
        now = time.monotonic()
        with_names, with_content = now >= next_names, now >= next_content
        next_names = now + settings.FOLLOW_INTERVAL if with_names else next_names
        next_content = now + content_period if with_content else next_content
        try:
            sighting = observe_copy(
                client,
                facts,
                target,
                temporary={*most_likely_temporary_name(job), *islice(names, 1)} if with_names else (),
                contents=with_content,
            )
        except errors.MoodleError as error:
            logger.info("job %s: a look at Moodle failed: %s", job.pk, error)
            continue
        facts = apply_observation(facts, target, sighting)
        try:
            _record(job, lease, facts)
        except JobMovedOn:
            return facts, False
        complete_looks += facts.is_there_complete
        if complete_looks > LOOKS_FOR_THE_ANSWER:
            break
    return facts, True


def _ended(call: Call, facts: CopyEvidence) -> bool:
    call.join(settings.WATCH_INTERVAL if facts.course_id is None else settings.FOLLOW_INTERVAL)
    return not call.is_alive()


def _record(job: DuplicationJob, lease: Lease, facts: CopyEvidence) -> None:
    """Write down what was seen. A database that is away costs nothing: the next look writes it all, or the end does."""
    try:
        record_evidence(job, facts, guard=lease.guard)
    except DatabaseError as error:
        logger.warning("job %s: the database is away: %s", job.pk, error)
        close_old_connections()


def _keep(job: DuplicationJob, lease: Lease, facts: CopyEvidence) -> None:
    """Have what was seen written down, however long the database is away: it may be all the proof there ever is."""
    if facts == evidence_of(job):
        return
    with contextlib.suppress(JobMovedOn):
        retry_until_database_up(lambda: record_evidence(job, facts, guard=lease.guard))


def _conclude(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call, facts: CopyEvidence) -> Outcome:
    if call.answer is not None:
        return _confirm(job, lease, client, call.answer, facts)
    looked = True
    if isinstance(call.error, errors.NothingStarted) and not isinstance(call.error, errors.NotSent):
        facts, looked = _look_once_more(job, client, facts)
        _keep(job, lease, facts)
    if facts.is_there_complete and facts.course_id is not None:
        return outcomes.Finished(facts.course_id)
    match call.error:
        case errors.NothingStarted() as error if _something_began(job, facts, error):
            if error.errorcode == TAKEN:
                # Somebody on the way sent our request twice: the course that is in the way is our own, and goes on.
                return outcomes.AnswerLost(f"{TAKEN}, though our own copy is under way")
            # A refusal in Moodle's own words ends the request.
            ended = error.errorcode if isinstance(error, errors.Refused) else ""
            detail = f"{error.message or error.errorcode}, though a new course was seen"
            return outcomes.AnswerLost(detail, ended, error.words)
        case errors.Refused() as refusal if refusal.errorcode == TAKEN and not looked:
            return outcomes.AnswerLost(
                f"{refusal.errorcode}, and whether the course in the way is our own is not known"
            )
        case errors.ConfigurationFault() as fault:
            return outcomes.SiteUnavailable(fault)
        case errors.NotSent() | errors.TryAgain() as passing:
            return outcomes.NothingStarted(passing)
        case errors.Refused(errorcode="invalidrecord") as refusal:
            return _missing_record(client, refusal)
        case errors.Refused() as refusal:
            return outcomes.Refused(refusal.errorcode, refusal.message, refusal.words)
        case errors.UnknownRefusal() as refusal:
            return outcomes.AnswerLost(refusal.message, refusal.errorcode or "error", refusal.words)
        case errors.NoTrustworthyAnswer() as lost:
            return outcomes.AnswerLost(lost.detail)
        case _:
            return outcomes.AnswerLost("the call ended without an answer")


def _look_once_more(job: DuplicationJob, client: MoodleClient, facts: CopyEvidence) -> tuple[CopyEvidence, bool]:
    """What is known after one more look, and whether Moodle could be asked.

    An answer that says "nothing was started" may come from something on the way that replaced Moodle's own, or from the
    middle of a restore whose first row was missed: what Moodle shows is the better witness.
    """
    target = expected_copy(job)
    try:
        sighting = observe_copy(client, facts, target, temporary=temporary_names(job), contents=False)
    except errors.MoodleError as error:
        logger.info("job %s: a look at Moodle failed: %s", job.pk, error)
        return facts, False
    return apply_observation(facts, target, sighting), True


def _something_began(job: DuplicationJob, facts: CopyEvidence, error: errors.NothingStarted) -> bool:
    """Whether Moodle shows what this request may have begun, whatever was answered.

    A new course under restore's own names may be anybody's. Where Moodle's own words prove that nothing was started
    (rule 3), or where the two got into each other's way, it is somebody else's.
    """
    if facts.course_id is not None:
        return True
    believed = isinstance(error, errors.NotSent | errors.TryAgain)
    if believed or (isinstance(error, errors.ConfigurationFault) and error.errorcode):
        return False
    return any(is_temporary_short_name(one.shortname, job.source_shortname) for one in facts.candidates)


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


def _confirm(
    job: DuplicationJob, lease: Lease, client: MoodleClient, answer: Duplicated, facts: CopyEvidence
) -> Outcome:
    """Hold Moodle's answer against what Moodle shows: the course it names must carry the requested short name."""
    try:
        course = client.course_by_id(answer.id)
    except errors.MoodleError as error:
        return outcomes.AnswerLost(f"an answer that could not be confirmed ({error})")
    if course is None or not same_name(course.shortname, job.shortname):
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, which does not carry the requested names")
    named, target = CourseSnapshot.from_course(course), expected_copy(job)
    if facts.course_id not in (None, answer.id) and not matches_request(named, target):
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, where {facts.course_id} was seen")
    other = facts.course_id if facts.course_id != answer.id else None
    facts = apply_observation(apply_answer(facts, answer.id, time.time()), target, Observation(time.time(), own=named))
    changes: dict[str, Any] = {"course_id": answer.id, "proof": Proof.ANSWERED, "facts": facts.to_json()}
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
