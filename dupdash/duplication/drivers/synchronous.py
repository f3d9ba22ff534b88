"""Duplicate through Moodle's synchronous service: one call that waits, and a second connection that watches.

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
from dupdash.duplication.drivers.answers import confirm_answer, outcome_of_error
from dupdash.duplication.drivers.copy_tracker import CopyEvidence, apply_observation
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy,
    most_likely_temporary_name,
    observe_copy,
    record_evidence,
    safe_names,
    temporary_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent, outcome_of_read
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import JobMovedOn
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import SYNCHRONOUS
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.synchronous")

# How often the contents of a copy are read while it is restored: expensive, and seldom new.
CONTENT_LOOKUPS = 8
# A copy that is complete, and whose answer does not come: how many lookups it is waited for.
LOOKUPS_FOR_THE_ANSWER = 5
# The pause between two lookups grows with the time that passes, up to so many shortest pauses.
PAUSE_SHARE = 1 / 8
PAUSE_LONGEST = 10
# The share of the expected backup that passes before the first lookup.
FIRST_LOOKUP = 0.6


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
    evidence, ours = _watch(job, lease, client, call)
    if ours:
        _keep(job, lease, evidence)
        return _conclude(job, lease, client, call, evidence)
    # Somebody took the job back, and it is being looked up.
    retry_until_database_up(lambda: _hand_over(job, evidence))
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


def _hand_over(job: DuplicationJob, evidence: CopyEvidence) -> None:
    """Record what this worker has seen for whoever looks the job up now; the database may have been away meanwhile."""
    job.refresh_from_db()
    if not evidence.courses or evidence_of(job).courses or job.is_terminal:
        return
    try:
        record_evidence(job, evidence, guard={"course_id": None, "sent_at": job.sent_at})
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

    Only temporary names are looked up, and courses that were seen under them: whatever else finds the new course in its
    first milliseconds breaks the copy. Returns what was seen, and whether the job is still ours.
    """
    evidence, expected = evidence_of(job), expected_copy(job)
    names = cycle(temporary_names(job))
    content_period = max(settings.FOLLOW_INTERVAL, (job.expected_restore or 0) / CONTENT_LOOKUPS)
    began = time.monotonic()
    next_content = 0.0
    complete_lookups = 0
    call.join(max(settings.WATCH_INTERVAL, FIRST_LOOKUP * (job.expected_backup or 0)))
    while call.is_alive():
        if lease.lost.is_set():
            return evidence, False
        now = time.monotonic()
        with_content = bool(evidence.courses) and now >= next_content
        next_content = now + content_period if with_content else next_content
        try:
            to_look_up = {*most_likely_temporary_name(job), *islice(names, 1)} if not evidence.courses else ()
            observation = observe_copy(
                client, evidence, expected, names=safe_names(job, to_look_up), contents=with_content
            )
            evidence = apply_observation(evidence, expected, observation)
            record_evidence(job, evidence, guard=lease.guard)
        except errors.MoodleError as error:
            logger.info("job %s: a lookup in Moodle failed: %s", job.pk, error)
        except JobMovedOn:
            return evidence, False
        except DatabaseError as error:
            # The next lookup records it all, or the end does.
            logger.warning("job %s: the database is away: %s", job.pk, error)
            close_old_connections()
        complete_lookups += evidence.is_there_complete
        if complete_lookups > LOOKUPS_FOR_THE_ANSWER:
            break
        call.join(_pause(bool(evidence.courses), time.monotonic() - began))
    return evidence, True


def _pause(seen: bool, elapsed: float) -> float:
    """Seconds until the next lookup: Moodle is busy with the copy itself, and a long one changes seldom."""
    shortest = settings.FOLLOW_INTERVAL if seen else settings.WATCH_INTERVAL
    return float(min(max(shortest, elapsed * PAUSE_SHARE), PAUSE_LONGEST * shortest))


def _keep(job: DuplicationJob, lease: Lease, evidence: CopyEvidence) -> None:
    """Record what was seen, however long the database is away: it may be all the evidence there ever is."""
    if evidence == evidence_of(job):
        return
    with contextlib.suppress(JobMovedOn):
        retry_until_database_up(lambda: record_evidence(job, evidence, guard=lease.guard))


def _conclude(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call, evidence: CopyEvidence) -> Outcome:
    if call.answer is not None:
        return confirm_answer(job, lease, client, call.answer, evidence)
    if call.error is not None:
        outcome, seen = outcome_of_error(job, client, call.error, evidence)
        _keep(job, lease, seen)
        return outcome
    if evidence.is_there_complete and evidence.course_id is not None:
        return outcomes.Finished(evidence.course_id)
    return outcomes.AnswerLost("the call ended without an answer")
