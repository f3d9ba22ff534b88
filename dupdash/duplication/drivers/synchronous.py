"""Duplicates through Moodle's synchronous service: one long call, and meanwhile lookups of the copy.

This module raises no MoodleError: ``duplicate`` returns it as an Outcome. If the database is down before the request
is sent, the database's error is raised; afterwards the module waits for the database.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle, repeat
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.utils import timezone

from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.answers import outcome_of_error, store_answer
from dupdash.duplication.drivers.copy_evidence import CopyEvidence
from dupdash.duplication.drivers.copy_verdict import apply_observation
from dupdash.duplication.drivers.lookup import (
    evidence_of,
    expected_copy,
    most_likely_temporary_name,
    names_in_baseline,
    observe_copy,
    record_evidence,
    safe_names,
)
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.drivers.preflight import check_and_mark_sent
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.transitions import StaleJob
from dupdash.moodle import errors
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import SYNCHRONOUS
from dupdash.moodle.records import Duplicated

logger = logging.getLogger("dupdash.synchronous")

# When the contents of a copy are first read, and the interval after that, as shares of the expected restore. Contents
# become visible near the end of the restore.
FIRST_CONTENT_SHARE, CONTENT_SHARE = 1 / 2, 1 / 8
# After each lookup that includes a second name, this many lookups ask only for the most likely one.
LIKELY_ALONE = 3
# At this interval a lookup is stored even if it shows nothing new, for "last contact with Moodle".
RECORD_INTERVAL = timedelta(seconds=5)
# After this many lookups that show a complete copy, the driver no longer waits for the answer.
LOOKUPS_FOR_THE_ANSWER = 5
# The interval between two lookups is this share of the elapsed time, at most INTERVAL_FACTOR_MOST times the shortest.
INTERVAL_SHARE = 1 / 8
INTERVAL_FACTOR_MOST = 10
# The share of the expected backup that passes before the first lookup.
FIRST_LOOKUP_SHARE = 0.6


def duplicate(job: DuplicationJob, lease: Lease, client: MoodleClient) -> Outcome:
    """Send the request of a claimed job once, and look for the copy until Moodle answers or the answer is lost."""
    ended = check_and_mark_sent(job, lease, client, driver=SYNCHRONOUS)
    if ended is not None:
        return ended
    call = Call(client, job)
    call.start()
    evidence, has_lease = _watch(job, lease, client, call)
    if has_lease:
        if call.answer is None:
            _record_until_database_up(job, lease, evidence)
        return _conclude(job, lease, client, call, evidence)
    # The job was recovered, and the sweep checks it now.
    retry_until_database_up(lambda: _hand_over(job, evidence))
    return outcomes.LeaseLost(late_outcome=lambda: _await_late_answer(job, lease, call))


class Call(threading.Thread):
    """The duplication request, in its own thread. Stores Moodle's answer or the error."""

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
    """Store this worker's evidence: the job was recovered from this worker, and from now on the sweep checks it.

    Evidence that is already stored is not replaced.
    """
    job.refresh_from_db()
    if not evidence.courses or evidence_of(job).courses or job.is_terminal:
        return
    try:
        record_evidence(job, evidence, guard={"course_id": None, "sent_at": job.sent_at})
    except StaleJob as moved:
        logger.info("%s", moved)


def _await_late_answer(job: DuplicationJob, lease: Lease, call: Call) -> Outcome:
    """Wait for the answer to the request of a job that was recovered from this worker, and return the outcome."""
    call.join()
    retry_until_database_up(job.refresh_from_db)
    with open_client() as client:
        return _conclude(job, lease, client, call, evidence_of(job))


def _watch(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call) -> tuple[CopyEvidence, bool]:
    """Look for the copy until the call ends, or until lookups show a complete copy. Stores milestones.

    Only temporary names and courses that had them are looked up. Any other lookup could find the new course in its
    first milliseconds and break the copy. Returns the evidence, and whether this worker still has the lease.
    """
    evidence, expected = evidence_of(job), expected_copy(job)
    names = _names_in_turn(job)
    began = time.monotonic()
    next_content = float("inf")
    complete_lookups = 0
    call.join(max(settings.WATCH_INTERVAL, FIRST_LOOKUP_SHARE * (job.expected_backup or 0)))
    while call.is_alive():
        if lease.lost.is_set():
            return evidence, False
        now = time.monotonic()
        with_content = now >= next_content
        if with_content:
            next_content = now + _content_interval(job, CONTENT_SHARE)
        try:
            to_look_up = safe_names(job, next(names)) if not evidence.courses else ()
            observation = observe_copy(client, evidence, expected, names=to_look_up, contents=with_content)
            before, evidence = evidence, apply_observation(evidence, expected, observation)
            if evidence.courses and not before.courses:
                next_content = now + _content_interval(job, FIRST_CONTENT_SHARE)
            if evidence != before or (timezone.now() - (job.last_response_at or job.created_at)) > RECORD_INTERVAL:
                record_evidence(job, evidence, guard=lease.guard)
        except errors.MoodleError as error:
            logger.info("job %s: a lookup in Moodle failed: %s", job.pk, error)
        except StaleJob:
            return evidence, False
        except DatabaseError as error:
            # The evidence is stored after the next lookup, or at the end.
            logger.warning("job %s: the database is down: %s", job.pk, error)
            close_old_connections()
        complete_lookups += evidence.is_complete_in_moodle
        if complete_lookups >= LOOKUPS_FOR_THE_ANSWER:
            break
        call.join(_lookup_interval(bool(evidence.courses), time.monotonic() - began))
    return evidence, True


def _names_in_turn(job: DuplicationJob) -> Iterator[tuple[str, ...]]:
    """Yield the temporary names for each round of lookups: the most likely one, and sometimes another one."""
    likely = most_likely_temporary_name(job)
    for name in cycle(names_in_baseline(job) or likely):
        yield (*likely, name)
        yield from repeat(likely, LIKELY_ALONE)


def _content_interval(job: DuplicationJob, share: float) -> float:
    """Return the seconds until contents are read next.

    They are a share of the expected restore, because reading is expensive.
    """
    return float(max(settings.FOLLOW_INTERVAL, (job.expected_restore or 0) * share))


def _lookup_interval(seen: bool, elapsed: float) -> float:
    """Return the seconds until the next lookup.

    They grow, because lookups slow Moodle down and a long copy changes rarely.
    """
    shortest = settings.FOLLOW_INTERVAL if seen else settings.WATCH_INTERVAL
    return float(min(max(shortest, elapsed * INTERVAL_SHARE), INTERVAL_FACTOR_MOST * shortest))


def _record_until_database_up(job: DuplicationJob, lease: Lease, evidence: CopyEvidence) -> None:
    """Store the evidence, because it may be the only record of what was seen.

    If the database is down, waits until it is available again.
    """
    if evidence == evidence_of(job):
        return
    with contextlib.suppress(StaleJob):
        retry_until_database_up(lambda: record_evidence(job, evidence, guard=lease.guard))


def _conclude(job: DuplicationJob, lease: Lease, client: MoodleClient, call: Call, evidence: CopyEvidence) -> Outcome:
    if call.answer is not None:
        return store_answer(job, lease, call.answer, evidence)
    if call.error is not None:
        outcome, seen = outcome_of_error(job, client, call.error, evidence)
        _record_until_database_up(job, lease, seen)
        return outcome
    if evidence.is_complete_in_moodle and evidence.course_id is not None:
        return outcomes.Finished(evidence.course_id)
    return outcomes.AnswerLost("the call ended without an answer")
