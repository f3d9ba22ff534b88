"""The actions on batches: submit, pause, resume, reschedule and cancel. Pages, commands and web services call them."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from itertools import groupby

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.batch_tables import Batch, Priority
from dupdash.duplication.jobs import new_job
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import dispatch
from dupdash.duplication.request import DuplicationRequest, Problem, reserved_by_job
from dupdash.duplication.states import State
from dupdash.duplication.transitions import cancel_waiting_jobs, create_jobs
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.name_comparison import short_name_key

logger = logging.getLogger("dupdash.jobs")


@dataclass(frozen=True)
class BatchSettings:
    """The settings of a batch.

    ``window``: the times of day, in TIME_ZONE, between which copies may start; None: always.
    """

    label: str
    priority: int = Priority.NORMAL
    window: tuple[time, time] | None = None
    mail_results: bool = False


class InvalidBatch(Exception):
    """A batch was refused because of invalid requests. ``problems``: by row number of the request."""

    def __init__(self, problems: Mapping[int, Sequence[Problem]]) -> None:
        self.problems = dict(problems)
        super().__init__(f"requests with problems: {len(self.problems)}")


def submit_batch(
    requests: Mapping[int, DuplicationRequest],
    batch_settings: BatchSettings,
    *,
    actor: User | None,
    client: MoodleClient,
    via: str = "",
) -> Batch:
    """Create a job for each request, all in one transaction, or none. Returns the batch.

    ``requests``: the requests, keyed by their row numbers. ``via``: as for ``jobs.submit``. The priority counts only if
    the actor is an administrator. Raises NotAllowed, InvalidBatch if two requests have the same short name or ID number
    or an unfinished job reserves a short name, and MoodleError if Moodle does not answer whether the actor may copy a
    source.
    """
    for request in requests.values():
        access.require_submit(actor, request, client)
    _require_distinct_names(requests)
    state = access.first_state(actor)
    batch = Batch(
        label=batch_settings.label,
        requester=actor,
        priority=batch_settings.priority if access.is_administrator(actor) else Priority.NORMAL,
        window_start=batch_settings.window[0] if batch_settings.window else None,
        window_end=batch_settings.window[1] if batch_settings.window else None,
        mail_results=batch_settings.mail_results,
    )
    jobs = _jobs_of(batch, requests, state, actor)
    reason = "Waits for approval." if state == State.AWAITING_APPROVAL else "Queued."
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
            create_jobs(jobs, reason=f"Part of the batch “{batch.label}”. {reason}", actor=actor, via=via)
    except IntegrityError:
        raise InvalidBatch(_name_problems(requests)) from None
    dispatch.dispatch()
    return batch


def _jobs_of(
    batch: Batch, requests: Mapping[int, DuplicationRequest], state: State, actor: User | None
) -> list[DuplicationJob]:
    jobs = []
    for order, row in enumerate(spread_out({row: request.source_id for row, request in requests.items()})):
        job = new_job(requests[row], state, requester=actor)
        job.batch, job.batch_row, job.batch_order = batch, row, order
        jobs.append(job)
    return jobs


def spread_out(sources: Mapping[int, int]) -> list[int]:
    """Return the row numbers in an order that spreads the copies of each source evenly.

    ``sources``: the source ids, keyed by row number.
    Moodle can back up a source only once at a time, so consecutive copies of one source would wait for each other.
    """
    rows: dict[int, list[int]] = {}
    for row, source in sources.items():
        rows.setdefault(source, []).append(row)
    places = []
    for copies, alike in groupby(sorted(rows.values(), key=len), key=len):
        # Sources with the same number of copies begin at different places.
        group = list(alike)
        for rank, of_source in enumerate(group):
            begin = (rank + 0.5) / len(group)
            places += [((number + begin) / copies, row) for number, row in enumerate(of_source)]
    return [row for _, row in sorted(places)]


def _require_distinct_names(requests: Mapping[int, DuplicationRequest]) -> None:
    names = Counter(short_name_key(request.shortname) for request in requests.values())
    numbers = Counter(short_name_key(request.idnumber) for request in requests.values() if request.idnumber)
    twice: dict[int, list[Problem]] = {}
    for row, request in requests.items():
        if names[short_name_key(request.shortname)] > 1:
            message = "Another request of this batch has the same short name."
            twice.setdefault(row, []).append(Problem("shortname", "shortnametaken", message))
        if numbers[short_name_key(request.idnumber)] > 1:
            message = "Another request of this batch has the same ID number."
            twice.setdefault(row, []).append(Problem("idnumber", "courseidnumbertaken", message))
    if twice:
        raise InvalidBatch(twice)


def _name_problems(requests: Mapping[int, DuplicationRequest]) -> dict[int, list[Problem]]:
    """Return the problems, by row, of a batch that the database refused because other jobs have its short names."""
    held = {row: reserved_by_job(request.shortname) for row, request in requests.items()}
    found = {row: [problem] for row, problem in held.items() if problem is not None}
    if found:
        return found
    message = "Another request used one of these short names at the same moment. Try again."
    return {min(requests): [Problem("shortname", "shortnametaken", message)]}


def pause(batch: Batch, *, actor: User | None) -> None:
    """Pause a batch: no further copy of it starts. Copies that run are not affected. Raises NotAllowed."""
    access.require_batch_manager(actor, batch)
    Batch.objects.filter(pk=batch.pk, paused_at__isnull=True).update(paused_at=timezone.now())
    logger.info("batch %s paused by %s", batch.pk, actor or "the command line")
    batch.refresh_from_db()


def resume(batch: Batch, *, actor: User | None) -> None:
    """Let the copies of a paused batch start again. Raises NotAllowed."""
    access.require_batch_manager(actor, batch)
    Batch.objects.filter(pk=batch.pk).update(paused_at=None)
    logger.info("batch %s resumed by %s", batch.pk, actor or "the command line")
    batch.refresh_from_db()
    dispatch.dispatch()


def reschedule(batch: Batch, *, actor: User | None, priority: int, window: tuple[time, time] | None) -> None:
    """Change when the waiting copies of a batch start. Raises NotAllowed.

    ``priority`` is ignored unless ``actor`` is an administrator. ``window``: as in BatchSettings.
    """
    access.require_batch_manager(actor, batch)
    batch.window_start, batch.window_end = window or (None, None)
    changed = ["window_start", "window_end"]
    if access.is_administrator(actor):
        batch.priority = priority
        changed.append("priority")
    batch.save(update_fields=changed)
    dispatch.dispatch()


def cancel_waiting(batch: Batch, *, actor: User | None) -> int:
    """Cancel the jobs of a batch that wait for approval or in the queue. Returns their number. Raises NotAllowed."""
    access.require_batch_manager(actor, batch)
    cancelled = cancel_waiting_jobs(
        DuplicationJob.objects.filter(batch=batch),
        reason="The batch was cancelled before this copy was started.",
        actor=actor,
    )
    dispatch.dispatch()
    return cancelled
