"""Computes the polled part of a job page: the current state and progress of the job, and its times."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.duplication.jobs import after_cancelling
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Phase
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from dupdash.web.presentation.approval_time import decided_within
from dupdash.web.presentation.blocking_job import BlockingJob, blocking_job
from dupdash.web.presentation.check_status import while_it_is_checked, while_it_is_unresolved
from dupdash.web.presentation.durations import exactly, roughly
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.moodle_queue import waits_in_moodle
from dupdash.web.presentation.progress_bars import Bars, bars
from dupdash.web.presentation.shown_state import LABELS, TAB_ICONS, shown_state
from dupdash.web.presentation.why_it_waits import Queue, why_it_waits
from dupdash.web.presentation.worker_notice import WorkerNotice

POLL_QUICKLY = "every 2s, refresh"
# The job waits for a person. The page shows the decision within five seconds.
POLL_FOR_A_DECISION = "every 4s, refresh"
# The start is in the far future, or dupdash checks the outcome rarely.
POLL_SLOWLY = "every 20s, refresh"
# A new "Last contact with Moodle" is sent at most this often, so that most polls answer "unchanged".
HEARD_STEP = 15


@dataclass(frozen=True)
class Fact:
    """A labelled fact below the progress bar: a text, or a time in a style of ``components/_time.html``."""

    label: str
    text: str = ""
    # Whether the page counts this time itself. Then polls do not send it again.
    when: datetime | None = field(default=None, compare=False, repr=False)
    style: str = "exact"
    # The text that browsers without scripts show instead of a counting time.
    plain: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Status:
    state: str
    label: str
    # The name of the icon for the browser tab.
    tab_icon: str
    now: str
    waits_for: BlockingJob | None
    bars: Bars | None
    facts: tuple[Fact, ...]
    # The id of the last event. After a new event the rest of the page changes, too.
    version: int
    poll: str
    # Set if the job cannot continue because no worker is running.
    no_worker: WorkerNotice | None
    ended: bool
    # When a job that waits will start.
    starts_at: datetime | None = None
    last_response_at: datetime | None = field(default=None, compare=False)

    @property
    def percent(self) -> int | None:
        """Return the progress for the title of the browser tab; None if it is unknown or the job has ended."""
        overall = self.bars.overall if self.bars else None
        return overall.percent if overall and not self.ended else None

    @property
    def seen(self) -> str:
        """Return a fingerprint of the content. The browser sends the fingerprint with its next poll."""
        heard = int(self.last_response_at.timestamp()) // HEARD_STEP if self.last_response_at else 0
        shown = (self.state, self.now, self.waits_for, self.bars, self.facts, heard, self.no_worker)
        return f"{self.version}-{digest(*shown)}"


def status_of(job: DuplicationJob, health: MoodleHealth, viewer: User, no_worker: WorkerNotice | None = None) -> Status:
    queue = Queue.before([job], health, worker_running=no_worker is None)
    last = job.events.order_by("-id").values_list("id", flat=True).first()
    state = shown_state(job)
    return Status(
        state=state,
        label=LABELS[state],
        tab_icon=TAB_ICONS[state],
        now=_now(job, queue, health),
        waits_for=blocking_job(job, queue, viewer),
        bars=bars(job),
        facts=tuple(_facts(job)),
        version=last or 0,
        poll=_poll(job),
        no_worker=no_worker,
        ended=job.is_terminal,
        starts_at=job.not_before if job.is_scheduled else None,
        last_response_at=job.last_response_at,
    )


def _poll(job: DuplicationJob) -> str:
    """Return how often the page polls, in the syntax of htmx; "" for a job that has ended."""
    if job.is_terminal:
        return ""
    if job.state == State.AWAITING_APPROVAL:
        return POLL_FOR_A_DECISION
    far_off = job.is_scheduled and job.not_before and (job.not_before - timezone.now()).total_seconds() > 60
    return POLL_SLOWLY if job.state == State.UNRESOLVED or far_off else POLL_QUICKLY


def _facts(job: DuplicationJob) -> Iterator[Fact]:
    """Yield the known facts that are useful in the current state."""
    if job.started_at is None and not job.is_terminal:
        yield Fact("Requested", when=job.created_at, style="relative")
    elif job.is_terminal:
        yield Fact("Ended", when=job.finished_at)
    if (elapsed := job.elapsed()) is not None:
        if job.is_terminal:
            yield Fact("Took", exactly(elapsed))
        else:
            yield Fact("Elapsed", when=job.started_at, style="elapsed", plain=exactly(elapsed))
    if job.state == State.RUNNING and job.sent_at is not None and job.cancel_requested_at is None:
        left = progress(job).time_left
        yield Fact("Time left", roughly(left) if left is not None else "not known")
    if job.last_response_at is not None and not job.is_terminal:
        yield Fact("Last contact with Moodle", when=job.last_response_at, style="relative")
    if job.attempts > 1:
        yield Fact("Attempts of this job", str(job.attempts))
    if job.driver:
        yield Fact("Driver", job.driver)


def _now(job: DuplicationJob, queue: Queue, health: MoodleHealth) -> str:
    if job.cancel_requested_at is not None and not job.is_terminal and job.state != State.UNRESOLVED:
        what = after_cancelling(job)
        return f"{what} {while_it_is_checked(job)}" if job.state == State.CHECKING else what
    match job.state:
        case State.AWAITING_APPROVAL:
            return f"{why_it_waits(job, queue)} {decided_within()}".rstrip()
        case State.QUEUED:
            return why_it_waits(job, queue)
        case State.RUNNING:
            return _running(job, health)
        case State.CHECKING:
            return while_it_is_checked(job)
        case State.UNRESOLVED:
            return while_it_is_unresolved(job)
        case State.SUCCEEDED:
            return "The copy is complete."
        case State.FAILED:
            return "There is no complete copy."
        case State.CANCELLED:
            # Moodle may have made the copy before dupdash deleted it.
            return "There is no copy in Moodle."
        case State.REJECTED:
            return "No copy was made."
    return ""


def _running(job: DuplicationJob, health: MoodleHealth) -> str:
    if job.moodle_done_at is not None:
        return "Moodle has finished the copy. dupdash is comparing it with its source."
    if waiting := waits_in_moodle(job, health):
        return waiting
    if job.sent_at is None:
        return "Checking the source and the new names in Moodle before the copy starts."
    if job.phase != Phase.RESTORE:
        return "Moodle is backing up the source. The new course does not exist yet."
    if job.content_at is not None:
        return "Moodle is finishing: the contents are there, and the names come last."
    return "Moodle is restoring the backup into the new course."
