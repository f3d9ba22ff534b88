"""Finds the job that a waiting job waits for, and when that wait ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts.access import may_see
from dupdash.duplication.drivers.lookup import course_due_at
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.web.presentation.why_it_waits import Queue, Reason, reason_to_wait

OTHER_COPY = "The other copy is"


@dataclass(frozen=True)
class BlockingJob:
    """The job that another job waits for. ``lead``, ``url`` and ``fullname`` are empty if the reader may not see it."""

    # The words before the name.
    lead: str
    url: str
    fullname: str
    # A sentence about the end of the wait. A time may follow it.
    ends: str
    until: datetime | None


def blocking_job(job: DuplicationJob, queue: Queue, viewer: User) -> BlockingJob | None:
    """Return the job that ``job`` waits for, or None if it does not wait for another job."""
    match reason_to_wait(job, queue):
        case Reason.SAME_SOURCE:
            return _of_same_source(job, viewer)
        case Reason.NO_SLOT:
            return _with_slot(queue.ahead_of.get(job.pk, 0), viewer)
    return None


def _of_same_source(job: DuplicationJob, viewer: User) -> BlockingJob | None:
    jobs = DuplicationJob.objects
    others = (jobs.dispatched() | jobs.blocking_source()).filter(source_id=job.source_id).exclude(pk=job.pk)
    blocker = others.order_by("dispatched_at", "id").first()
    if blocker is None:
        return None
    if blocker.state == State.CHECKING:
        return _shown(blocker, viewer, OTHER_COPY, "This copy waits for it at most until", course_due_at(blocker))
    if blocker.sent_at is None or blocker.expected_backup is None:
        return _shown(blocker, viewer, OTHER_COPY, "This copy starts when the other course appears in Moodle.", None)
    appears = blocker.sent_at + timedelta(seconds=blocker.expected_backup)
    return _shown(blocker, viewer, OTHER_COPY, "The other course is expected in Moodle at", appears)


def _with_slot(place: int, viewer: User) -> BlockingJob | None:
    """Return the job whose slot the waiting job will get; None if the end of that job cannot be estimated.

    ``place``: the number of jobs that get a slot before the waiting job.
    """
    ends = []
    for busy in DuplicationJob.objects.holding_slot():
        if busy.sent_at is not None and busy.expected_backup is not None and busy.expected_restore is not None:
            seconds = busy.expected_backup + busy.expected_restore
            ends.append((busy.sent_at + timedelta(seconds=seconds), busy.pk, busy))
    if place >= len(ends):
        return None
    end, _, blocker = sorted(ends)[place]
    return _shown(blocker, viewer, "This copy starts when another copy has ended:", "It is expected to start at", end)


def _shown(blocker: DuplicationJob, viewer: User, lead: str, ends: str, until: datetime | None) -> BlockingJob:
    if until is not None and until <= timezone.now():
        ends, until = "The wait should end at any moment.", None
    if not may_see(viewer, blocker):
        return BlockingJob("", "", "", ends, until)
    return BlockingJob(lead, reverse("jobs:job", args=[blocker.pk]), blocker.fullname, ends, until)
