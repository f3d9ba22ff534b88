"""The web service functions that return the status of one duplication (``…_get_status``) or many (``…_statuses``)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import progress
from dupdash.duplication.queue import lanes
from dupdash.duplication.states import State
from dupdash.gateway.call import Call, warning
from dupdash.gateway.job_lookup import require_visible, unknown_job
from dupdash.moodle.records import AWAITING, BACKUP_PHASE, EXECUTING, FINISHED_ERR, FINISHED_OK, RESTORE_PHASE
from dupdash.row_reader import Columns

# Moodle's status code for each state.
STATUS = {
    State.AWAITING_APPROVAL: AWAITING,
    State.QUEUED: AWAITING,
    State.RUNNING: EXECUTING,
    State.CHECKING: EXECUTING,
    State.SUCCEEDED: FINISHED_OK,
    State.FAILED: FINISHED_ERR,
    State.REJECTED: FINISHED_ERR,
    State.CANCELLED: FINISHED_ERR,
    # The result is unknown, and a client must not wait for ever. A later check may still change the code to 1000.
    State.UNRESOLVED: FINISHED_ERR,
}

# The columns that ``progress`` reads. A missing column would cost an extra query. A test counts the queries.
COLUMNS = (
    "state",
    "requester_id",
    "driver",
    "phase",
    "sent_at",
    "restore_at",
    "content_at",
    "expected_backup",
    "expected_restore",
    "source_activities",
    "progress_floor",
    "moodle_started_at",
    "reported_progress",
    "reported_at",
)
# The latest of these times is the time of the last change.
TIMES = (
    "created_at",
    "queued_at",
    "started_at",
    "sent_at",
    "restore_at",
    "content_at",
    "last_response_at",
    "cancel_requested_at",
    "finished_at",
)
# Queued jobs are counted up to this number, as in the Moodle plugin.
AHEAD_MOST = 5000

READ_WITH_TOKEN = Columns(DuplicationJob, "id", *COLUMNS)


def get_status(call: Call) -> dict[str, Any]:
    """Return the phase, status and progress of one job, as proposed in MDL-64916."""
    return _status(require_visible(call, call.job))


def get_statuses(call: Call) -> dict[str, Any]:
    """Return the status of many jobs, in the order of the call.

    An id gets a warning if there is no such job or the caller may not see it.
    """
    ids = call.parameters["duplicateids"]
    columns = dict.fromkeys((*COLUMNS, *TIMES))
    jobs = access.visible_jobs(call.owner).only(*columns).in_bulk(list(dict.fromkeys(ids)))
    ahead = _jobs_ahead(jobs.values())
    return {
        "statuses": [
            {
                "duplicateid": id,
                **_status(jobs[id]),
                "ahead": ahead.get(id, 0),
                "timecreated": timestamp(jobs[id].created_at),
                "timemodified": timestamp(_changed_at(jobs[id])),
            }
            for id in ids
            if id in jobs
        ],
        "warnings": [_warning(index, id) for index, id in enumerate(ids) if id not in jobs],
    }


def _status(job: DuplicationJob) -> dict[str, Any]:
    restoring = job.phase == Phase.RESTORE or job.state == State.SUCCEEDED
    return {
        "phase": RESTORE_PHASE if restoring else BACKUP_PHASE,
        "status": STATUS[State(job.state)],
        "progress": _rounded(progress(job).number),
    }


def _rounded(number: float) -> float:
    """Return the progress (0 to 1) rounded to six decimal places. Rounding never makes it 1."""
    return 1.0 if number >= 1 else min(round(number, 6), 0.999999)


def _jobs_ahead(jobs: Iterable[DuplicationJob]) -> dict[str, int]:
    """Return how many jobs are dispatched before each queued job, at most AHEAD_MOST, keyed by job id.

    A job that is not dispatched yet, for example because it starts later, has no entry, unless AHEAD_MOST others come
    before it. If none of ``jobs`` is queued, no query is made.
    """
    queued = [job.pk for job in jobs if job.state == State.QUEUED]
    if not queued:
        return {}
    next_jobs = lanes.upcoming(AHEAD_MOST)
    later = dict.fromkeys(queued, AHEAD_MOST) if len(next_jobs) == AHEAD_MOST else {}
    return later | {job_id: place for place, job_id in enumerate(next_jobs)}


def _changed_at(job: DuplicationJob) -> datetime:
    times: list[datetime | None] = [getattr(job, name) for name in TIMES]
    return max(at for at in times if at is not None)


def timestamp(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _warning(index: int, job_id: str) -> dict[str, Any]:
    unknown = unknown_job()
    return warning("duplicateid", index, unknown.errorcode, f"{unknown.message} {job_id}")
