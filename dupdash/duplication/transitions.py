"""Changes the state of jobs: a conditional UPDATE from the expected state and an event, in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from dupdash.duplication.derived_columns import INPUT_COLUMNS, derived_columns
from dupdash.duplication.expectation import load_during
from dupdash.duplication.models import DuplicationJob, JobEvent, JobQuerySet
from dupdash.duplication.progress import progress
from dupdash.duplication.states import BUSY, TERMINAL, State, require_transition

logger = logging.getLogger("dupdash.jobs")

# SQLite limits the number of parameters in one statement.
ROWS_AT_ONCE = 400
# In these states nothing was sent.
WAITING = (State.AWAITING_APPROVAL, State.QUEUED)


class StaleJob(Exception):
    """The job is no longer in the expected state: another process or person changed it, or took its lease."""


def move_job(
    job: DuplicationJob,
    to_state: State,
    *,
    kind: str,
    reason: str,
    actor: User | None = None,
    via: str = "",
    data: Mapping[str, Any] | None = None,
    guard: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move ``job`` from its current state to ``to_state`` and record an event with the reason.

    ``kind``: the kind of the event, for example "failed". ``reason``: the event's text for people. ``via``: how the
    actor acted, for example the label of an API token. ``data``: further facts about the event. ``guard``: further
    conditions of the UPDATE, for example the owner of the lease. ``changes``: other columns to change in it.
    ``job`` is refreshed afterwards. Raises IllegalTransition if TRANSITIONS does not allow the move, and
    StaleJob if the job has changed in the meantime or does not meet ``guard``; in both cases nothing is written.
    """
    from_state = job.state
    require_transition(from_state, to_state)
    changes["state"] = to_state
    if from_state == State.RUNNING:
        changes |= {"lease_owner": "", "lease_until": None, "lease_expired_seen_at": None}
    if from_state in BUSY:
        # The progress shown so far is the minimum from now on.
        changes["progress_floor"] = progress(job).number
    if to_state in TERMINAL:
        changes.setdefault("finished_at", timezone.now())
        changes["check_at"] = None
    if to_state == State.SUCCEEDED:
        changes["concurrent_copies"] = load_during(job, job.moodle_done_at or changes["finished_at"])
    with transaction.atomic():
        _update(job, from_state, guard, changes)
        _add_event(job, from_state, to_state, kind, reason, actor, via, data)
    logger.info("job %s %s → %s: %s", job.pk, from_state, to_state, reason)


def record_event(
    job: DuplicationJob,
    *,
    kind: str,
    reason: str,
    actor: User | None = None,
    via: str = "",
    data: Mapping[str, Any] | None = None,
    guard: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Change columns of a job without a state transition, and record an event.

    The arguments are those of ``move_job``. Raises StaleJob as it does.
    """
    with transaction.atomic():
        _update(job, job.state, guard, changes)
        _add_event(job, job.state, job.state, kind, reason, actor, via, data)
    logger.info("job %s (%s): %s", job.pk, job.state, reason)


def update_job(job: DuplicationJob, *, guard: Mapping[str, Any] | None = None, **changes: Any) -> None:
    """Change columns of a job without recording an event. Takes ``guard`` and raises StaleJob like ``move_job``."""
    _update(job, job.state, guard, changes)


def create_job(
    job: DuplicationJob,
    *,
    reason: str,
    actor: User | None,
    via: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Insert a new job and its first event. Raises IntegrityError if a constraint refuses the row."""
    with transaction.atomic():
        job.save(force_insert=True)
        _add_event(job, "", job.state, "submitted", reason, actor, via, data)
    logger.info("job %s submitted: %s", job.pk, reason)


def create_jobs(jobs: Sequence[DuplicationJob], *, reason: str, actor: User | None, via: str) -> None:
    """Insert many new jobs and their first events: all of them or none.

    Raises IntegrityError if a constraint refuses a row.
    """
    for job in jobs:
        for column, value in derived_columns(job).items():
            setattr(job, column, value)
    with transaction.atomic():
        DuplicationJob.objects.bulk_create(jobs, batch_size=ROWS_AT_ONCE)
        JobEvent.objects.bulk_create(
            [
                JobEvent(
                    job=job, actor=actor, via=via, kind="submitted", from_state="", to_state=job.state, reason=reason
                )
                for job in jobs
            ],
            batch_size=ROWS_AT_ONCE,
        )
    logger.info("%d jobs submitted: %s", len(jobs), reason)


def cancel_waiting_jobs(jobs: JobQuerySet, *, reason: str, actor: User | None) -> int:
    """Cancel jobs that wait for approval or in the queue, with an event for each. Returns how many were cancelled.

    Skips a job that has changed in the meantime.
    """
    cancelled = 0
    with transaction.atomic():
        waiting = list(jobs.filter(state__in=WAITING).values_list("pk", "state"))
        for from_state in WAITING:
            ids = [pk for pk, state in waiting if state == from_state]
            for start in range(0, len(ids), ROWS_AT_ONCE):
                cancelled += _cancel_some(ids[start : start + ROWS_AT_ONCE], from_state, reason, actor)
    logger.info("%d jobs cancelled: %s", cancelled, reason)
    return cancelled


def _cancel_some(ids: Sequence[str], from_state: State, reason: str, actor: User | None) -> int:
    # The rows are locked first, so that exactly the rows that change get an event.
    locked = list(
        DuplicationJob.objects.select_for_update().filter(pk__in=ids, state=from_state).values_list("pk", flat=True)
    )
    DuplicationJob.objects.filter(pk__in=locked).update(
        state=State.CANCELLED, finished_at=timezone.now(), check_at=None
    )
    JobEvent.objects.bulk_create(
        JobEvent(
            job_id=pk, actor=actor, kind="cancelled", from_state=from_state, to_state=State.CANCELLED, reason=reason
        )
        for pk in locked
    )
    return len(locked)


def _update(job: DuplicationJob, state: str, guard: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> None:
    if not changes.keys().isdisjoint(INPUT_COLUMNS):
        changes = {**changes, **derived_columns(job, changes)}
    # Django skips an UPDATE without columns and reports no match, as if the job had changed.
    columns = dict(changes) or {"state": state}
    changed = DuplicationJob.objects.filter(pk=job.pk, state=state, **(guard or {})).update(**columns)
    if not changed:
        raise StaleJob(f"Job {job.pk} is no longer {state}, or another worker holds its lease.")
    job.refresh_from_db()


def _add_event(
    job: DuplicationJob,
    from_state: str,
    to_state: str,
    kind: str,
    reason: str,
    actor: User | None,
    via: str,
    data: Mapping[str, Any] | None,
) -> None:
    JobEvent.objects.create(
        job=job,
        actor=actor,
        via=via,
        kind=kind,
        from_state=from_state,
        to_state=to_state,
        reason=reason,
        data=dict(data or {}),
    )
