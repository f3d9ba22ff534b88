"""The part of a job's page that is polled: where the job is now, how far, and since when."""

from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth, Phase
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from dupdash.web.presentation.check_status import while_it_is_checked, while_it_is_unresolved
from dupdash.web.presentation.durations import exactly, roughly
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.progress_bars import Bar, bars
from dupdash.web.presentation.queue_status import Queue, why_it_waits
from dupdash.web.presentation.worker_notice import WorkerNotice

POLL_QUICKLY = "every 2s, refresh"
# A person has to decide, or Moodle is asked rarely by now.
POLL_SLOWLY = "every 20s, refresh"
# "Moodle was last heard": told anew at most this often, so that most polls answer "unchanged".
HEARD_STEP = 15

# The service of Moodle that each driver calls.


@dataclass(frozen=True)
class Status:
    state: str
    now: str
    overall: Bar
    phases: tuple[Bar, Bar]
    time_left: str
    attempts: int
    driver: str
    started_at: datetime | None
    # Of a job that has ended; of one that goes on the page counts by itself.
    took: str
    # The last event: with a new one the rest of the page changes too.
    version: int
    poll: str
    # Set where the job cannot go on because no worker is running.
    no_worker: WorkerNotice | None
    # These move with every look at Moodle and tick by themselves on the page.
    last_response_at: datetime | None = field(compare=False)
    elapsed: str = field(compare=False)

    @property
    def seen(self) -> str:
        """What the browser has, as it says so with its next question."""
        heard = int(self.last_response_at.timestamp()) // HEARD_STEP if self.last_response_at else 0
        shown = (
            self.state,
            self.now,
            self.overall,
            self.phases,
            self.time_left,
            self.attempts,
            self.driver,
            self.took,
            heard,
            self.no_worker,
        )
        return f"{self.version}-{digest(*shown)}"


def status_of(job: DuplicationJob, health: MoodleHealth, no_worker: WorkerNotice | None = None) -> Status:
    reached = progress(job)
    overall, phases = bars(job, reached)
    last = job.events.order_by("-id").values_list("id", flat=True).first()
    elapsed = job.elapsed()
    return Status(
        state=shown_state(job),
        now=_now(job, health, worker_running=no_worker is None),
        overall=overall,
        phases=phases,
        time_left=_time_left(job, roughly(reached.time_left) if reached.time_left is not None else ""),
        attempts=job.attempts,
        driver=job.driver,
        started_at=job.started_at,
        took=exactly(elapsed) if elapsed is not None and job.is_terminal else "",
        version=last or 0,
        poll=_poll(job),
        no_worker=no_worker,
        last_response_at=job.last_response_at,
        elapsed=exactly(elapsed) if elapsed is not None else "",
    )


def shown_state(job: DuplicationJob) -> str:
    """The state as the badge says it: a queued job with a time of its own is "scheduled"."""
    return "scheduled" if job.is_scheduled else job.state


def _poll(job: DuplicationJob) -> str:
    """How often the page asks; empty when there is nothing more to come."""
    if job.is_terminal:
        return ""
    far_off = job.is_scheduled and job.not_before and (job.not_before - timezone.now()).total_seconds() > 60
    slowly = job.state in (State.AWAITING_APPROVAL, State.UNRESOLVED) or far_off
    return POLL_SLOWLY if slowly else POLL_QUICKLY


def _now(job: DuplicationJob, health: MoodleHealth, *, worker_running: bool) -> str:
    if job.cancel_requested_at is not None and not job.is_terminal and job.state != State.UNRESOLVED:
        what = "Cancelled. Moodle cannot be stopped: the copy is removed as soon as Moodle is done with it."
        return f"{what} {while_it_is_checked(job)}" if job.state == State.CHECKING else what
    match job.state:
        case State.AWAITING_APPROVAL | State.QUEUED:
            return why_it_waits(job, Queue.before([job], health, worker_running=worker_running))
        case State.RUNNING:
            return _running(job)
        case State.CHECKING:
            return while_it_is_checked(job)
        case State.UNRESOLVED:
            return while_it_is_unresolved(job)
        case State.SUCCEEDED:
            return "The copy is complete."
        case State.FAILED:
            return "There is no complete copy. What happened, and what to do, is said below."
        case State.CANCELLED:
            return "Nobody waits for this copy any more."
        case State.REJECTED:
            return "A course administrator refused it; the reason is in the story below."
    return ""


def _running(job: DuplicationJob) -> str:
    if job.sent_at is None:
        return "Looking at the source and at what has its names, before anything is sent."
    if job.phase != Phase.RESTORE:
        return "Moodle backs up the source course. Nothing of the copy can be seen yet."
    if job.content_at is not None:
        return "Moodle is finishing: the contents are there, the names come last."
    return "Moodle restores the backup into the new course."


def _time_left(job: DuplicationJob, left: str) -> str:
    if left:
        return left
    return "–" if job.is_terminal or job.sent_at is None else "not known"
