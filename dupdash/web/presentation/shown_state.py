"""Computes the state that badges, tab titles and tab icons show for a job: a value of ``State``, or one of two more."""

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import UNFINISHED, State

# A queued job with a requested start in the future. The delay of an automatic retry does not count.
SCHEDULED = "scheduled"
# A job that was cancelled while Moodle works on it. dupdash deletes the copy when Moodle has finished it.
CANCELLING = "cancelling"

LABELS: dict[str, str] = {SCHEDULED: "Scheduled", CANCELLING: "Cancelling", **dict(State.choices)}
# The icon for a state without an icon of its own.
ICONS: dict[str, str] = {CANCELLING: State.CANCELLED}
# Which of the five tab icons (static/img/tab-….svg) stands for a state.
TAB_ICONS: dict[str, str] = {
    State.AWAITING_APPROVAL: "waiting",
    State.QUEUED: "waiting",
    SCHEDULED: "waiting",
    State.RUNNING: "running",
    State.CHECKING: "running",
    CANCELLING: "running",
    State.UNRESOLVED: "attention",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "ended",
    State.REJECTED: "ended",
}


def shown_state(job: DuplicationJob) -> str:
    if job.is_scheduled:
        return SCHEDULED
    if job.cancel_requested_at is not None and job.state in UNFINISHED:
        return CANCELLING
    return job.state
