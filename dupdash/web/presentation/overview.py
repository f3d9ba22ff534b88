"""What the overview lists for a person, most urgent first."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth, Proof
from dupdash.duplication.states import State
from dupdash.web.presentation.rows import Row, rows

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A failed job that nobody retried asks for attention this long; a partial course and an unresolved job do so until
# somebody acts.
FAILED_FOR = timedelta(days=7)
AT_MOST = 10
LATEST = 5


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    rows: tuple[Row, ...]
    # How many there are beyond those shown.
    more: int
    # What is said when there is nothing; without it the section is left out.
    empty: str = ""


def sections(user: "User", health: MoodleHealth) -> list[Section]:
    visible = access.visible_jobs(user).select_related("requester")
    found = [
        _section("attention", "Needs attention", needing_attention(visible, user), health),
        _section("running", "Running", running(visible), health, empty="Nothing is being copied at the moment."),
        _section("waiting", "Waiting", waiting(visible, user), health),
        _section("latest", "Latest", latest(visible), health, at_most=LATEST),
    ]
    return [section for section in found if section.rows or section.empty]


def needing_attention(jobs: JobQuerySet, user: "User") -> JobQuerySet:
    """What somebody has to do something about; approvals only for those who may give them."""
    lately = timezone.now() - FAILED_FOR
    failed = Q(state=State.FAILED, finished_at__gte=lately, retries__isnull=True)
    partial = Q(state=State.FAILED, course_id__isnull=False, course_deleted_at__isnull=True) & ~Q(proof=Proof.NONE)
    wanted = Q(state=State.UNRESOLVED) | failed | partial
    if access.is_administrator(user):
        wanted |= Q(state=State.AWAITING_APPROVAL)
    return jobs.filter(wanted).order_by("-created_at", "-id")


def running(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.busy().order_by("started_at", "id")


def waiting(jobs: JobQuerySet, user: "User") -> JobQuerySet:
    """In the order in which they will run. What waits for this very person stands under "needs attention"."""
    states = {State.QUEUED} if access.is_administrator(user) else {State.QUEUED, State.AWAITING_APPROVAL}
    return jobs.filter(state__in=states).order_by(F("queued_at").asc(nulls_last=True), "created_at", "id")


def latest(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.filter(state__in=(State.SUCCEEDED, State.CANCELLED, State.REJECTED)).order_by("-created_at", "-id")


def _section(
    id: str, title: str, jobs: JobQuerySet, health: MoodleHealth, *, at_most: int = AT_MOST, empty: str = ""
) -> Section:
    found: list[DuplicationJob] = list(jobs[: at_most + 1])
    more = max(0, jobs.count() - at_most) if len(found) > at_most and id != "latest" else 0
    return Section(id, title, rows(found[:at_most], health), more, empty)
