"""Duplicating through Moodle's synchronous service: one call that waits, and a second connection that watches.

Raises nothing a Moodle or a database can cause: what became of the attempt is its Outcome.
"""

import logging
import threading
import time
from itertools import cycle, islice
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, close_old_connections

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.looking import (
    facts_of,
    likely_name,
    look,
    record,
    temporary_names,
    wanted,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preparing import outcome_of_read, prepare
from dupdash.duplication.health import ADD_FUNCTIONS, DUPLICATE
from dupdash.duplication.insisting import insist
from dupdash.duplication.leases import Lease
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.observer import Facts, Look, Seen, answered, could_be_ours, fold, same_name
from dupdash.duplication.transitions import JobMovedOn, note, observe
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.waiting")

# How often the contents of a copy are asked for while it is restored: dear, and seldom news.
CONTENT_LOOKS = 8
# A copy that is complete, and whose answer does not come: how many looks it is waited for.
LOOKS_FOR_THE_ANSWER = 5


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient) -> Outcome:
    """Have the source of a claimed job duplicated, once, and watch it until it is done or its answer is lost."""
    try:
        refusal = prepare(job, lease, client, driver="waiting")
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
    try:
        facts = _watch(job, lease, client, call)
    except JobMovedOn:
        # Somebody took the job back, and it is being looked up. What Moodle says in the end still settles it.
        call.join()
        insist(job.refresh_from_db)
        facts = facts_of(job)
    return _conclude(job, lease, client, call, facts)


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


def _watch(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call) -> Facts:
    """Record the milestones while the call waits; ends with the call, or with a copy that is complete without it.

    Raises JobMovedOn when the lease is lost.
    """
    facts = facts_of(job)
    names = cycle(temporary_names(job))
    content_period = max(settings.FOLLOW_INTERVAL, (job.expected_restore or 0) / CONTENT_LOOKS)
    next_names = next_content = time.monotonic() + settings.FOLLOW_INTERVAL
    complete_looks = 0
    while not _ended(call, facts):
        if lease.lost.is_set():
            raise JobMovedOn(job.pk)
        now = time.monotonic()
        with_names, with_content = now >= next_names, now >= next_content
        next_names = now + settings.FOLLOW_INTERVAL if with_names else next_names
        next_content = now + content_period if with_content else next_content
        try:
            sighting = look(
                client,
                facts,
                wanted(job),
                temporary={*likely_name(job), *islice(names, 1)} if with_names else (),
                contents=with_content,
            )
        except errors.MoodleError as error:
            logger.info("job %s: a look at Moodle failed: %s", job.pk, error)
            continue
        facts = fold(facts, wanted(job), sighting)
        _record(job, lease, facts)
        complete_looks += facts.complete
        if complete_looks > LOOKS_FOR_THE_ANSWER:
            break
    return facts


def _ended(call: Call, facts: Facts) -> bool:
    call.join(settings.WATCH_INTERVAL if facts.course_id is None else settings.FOLLOW_INTERVAL)
    return not call.is_alive()


def _record(job: DuplicationJob, lease: Lease, facts: Facts) -> None:
    """Write down what was seen. A database that is away costs nothing: the next look writes it all."""
    try:
        record(job, facts, guard=lease.guard)
    except DatabaseError as error:
        logger.warning("job %s: the database is away: %s", job.pk, error)
        close_old_connections()


def _conclude(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call, facts: Facts) -> Outcome:
    if call.answer is not None:
        return _confirm(job, lease, client, call.answer, facts)
    if facts.complete and facts.course_id is not None:
        return outcomes.Finished(facts.course_id)
    match call.error:
        case errors.Refused(errorcode="shortnametaken") as refusal if _may_be_ours(job, client, facts):
            # Somebody on the way sent our request twice: the course that is in the way is our own.
            return outcomes.AnswerLost(f"{refusal.errorcode}, though our own copy is under way")
        case errors.NothingStarted() as error if facts.course_id is not None:
            # Whatever Moodle says: its course was seen, so something did start.
            ended = error.errorcode if isinstance(error, errors.Refused) else ""
            return outcomes.AnswerLost(f"{error.message or error.errorcode}, though its course was seen", ended)
        case errors.ConfigurationFault() as fault:
            return outcomes.Misconfigured(fault)
        case errors.NotSent() | errors.TryAgain() as passing:
            return outcomes.NothingStarted(passing)
        case errors.Refused(errorcode="invalidrecord") as refusal:
            return _missing_record(client, refusal)
        case errors.Refused() as refusal:
            return outcomes.Refused(refusal.errorcode, refusal.message)
        case errors.UnknownRefusal() as refusal:
            return outcomes.AnswerLost(refusal.message, refusal.errorcode or "error")
        case errors.NoTrustworthyAnswer() as lost:
            return outcomes.AnswerLost(lost.detail)
        case _:
            return outcomes.AnswerLost("the call ended without an answer")


def _may_be_ours(job: DuplicationJob, client: MoodleClient, facts: Facts) -> bool:
    """Whether the course that holds the requested short name can be the one this job asked for."""
    if facts.course_id is not None:
        return True
    try:
        sighting = look(client, facts, wanted(job), contents=False)
    except errors.MoodleError:
        return True
    return fold(facts, wanted(job), sighting).course_id is not None


def _missing_record(client: MoodleClient, refusal: errors.Refused) -> Outcome:
    """``invalidrecord``: a missing category, or a function that the site does not know (measured)."""
    try:
        site = client.site_info()
    except errors.MoodleError as error:
        return outcome_of_read(error)
    if DUPLICATE not in site.functions:
        return outcomes.Misconfigured(
            errors.ConfigurationFault(
                f"The site does not offer {DUPLICATE}.",
                errorcode=refusal.errorcode,
                advice=ADD_FUNCTIONS,
            )
        )
    return outcomes.Refused(refusal.errorcode, refusal.message)


def _confirm(job: DuplicationJob, lease: Lease, client: MoodleClient, answer: Duplicated, facts: Facts) -> Outcome:
    """Hold Moodle's answer against what Moodle shows: the course it names must carry the requested short name."""
    try:
        course = client.course_by_id(answer.id)
    except errors.MoodleError as error:
        return outcomes.AnswerLost(f"an answer that could not be confirmed ({error})")
    if course is None or not same_name(course.shortname, job.shortname):
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, which does not carry the requested names")
    named = Seen.from_course(course)
    if facts.course_id not in (None, answer.id) and not could_be_ours(named, wanted(job)):
        return outcomes.AnswerLost(f"an answer naming course {answer.id}, where {facts.course_id} was seen")
    other = facts.course_id if facts.course_id != answer.id else None
    facts = fold(answered(facts, answer.id, time.time()), wanted(job), Look(time.time(), own=named))
    changes: dict[str, Any] = {"course_id": answer.id, "proof": Proof.ANSWERED, "facts": facts.to_json()}
    reason = f"Moodle's answer names course {answer.id}. Course {other}, under the same names, is not this job's."
    try:
        if other is None:
            insist(lambda: observe(job, guard=lease.guard, **changes))
        else:
            insist(lambda: note(job, kind="course_corrected", reason=reason, guard=lease.guard, **changes))
    except JobMovedOn as moved:
        logger.info("%s", moved)
    return outcomes.Finished(answer.id, answered=True)
