"""What the overview lists for a person, most urgent first."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Case, Count, F, Max, Q, When
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth, Proof
from dupdash.duplication.states import BUSY, UNFINISHED, State
from dupdash.web.date_fields import start_of, today
from dupdash.web.history.filters import MOODLE_BUSY
from dupdash.web.presentation.job_rows import Row, rows

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


@dataclass(frozen=True)
class Figure:
    """One number, as ``_figures.html`` shows it."""

    value: int
    label: str
    url: str = ""
    tone: str = ""


def figures(user: "User") -> list[Figure]:
    """The day so far, and what is under way; of what this person may see."""
    day = today()
    begun = start_of(day)
    lately = Q(created_at__gte=begun) | Q(finished_at__gte=begun) | Q(state__in=UNFINISHED)
    counted = (
        access.visible_jobs(user)
        .filter(lately)
        .aggregate(
            asked=Count("pk", filter=Q(created_at__gte=begun)),
            succeeded=Count("pk", filter=Q(state=State.SUCCEEDED, finished_at__gte=begun)),
            failed=Count("pk", filter=Q(state=State.FAILED, finished_at__gte=begun)),
            running=Count("pk", filter=Q(state__in=BUSY)),
            queued=Count("pk", filter=Q(state=State.QUEUED)),
            asking=Count("pk", filter=Q(state=State.AWAITING_APPROVAL)),
        )
    )

    def found(**filters: str) -> str:
        return f"{reverse('history')}?{urlencode(filters)}"

    approvals = reverse("approvals") if access.is_administrator(user) else found(state=State.AWAITING_APPROVAL)
    return [
        Figure(counted["asked"], "Asked for today", found(since=day.isoformat())),
        Figure(counted["succeeded"], "Succeeded today"),
        Figure(counted["failed"], "Failed today", tone="danger" if counted["failed"] else ""),
        Figure(counted["running"], "Running", found(state=MOODLE_BUSY)),
        Figure(counted["queued"], "Waiting", found(state=State.QUEUED)),
        Figure(
            counted["asking"],
            "To approve" if access.is_administrator(user) else "Waiting for approval",
            approvals,
            tone="warning" if counted["asking"] and access.is_administrator(user) else "",
        ),
    ]


@dataclass(frozen=True)
class Site:
    """The Moodle, as far as it is known."""

    name: str
    url: str
    release: str
    driver: str
    paused_at: datetime | None
    fault: str
    # When anything was last heard of it. It moves all the time: a page asks for a new one once in a minute.
    last_response_at: datetime | None = field(compare=False, repr=False)
    heard: int = 0


def site_of(health: MoodleHealth) -> Site:
    latest = DuplicationJob.objects.busy().aggregate(latest=Max("last_response_at"))["latest"]
    last_response_at = max(filter(None, (latest, health.last_response_at)), default=None)
    return Site(
        name=health.site_name or "Moodle",
        url=health.site_url or settings.MOODLE_URL,
        release=health.release,
        driver=health.driver,
        paused_at=health.paused_at,
        fault=health.fault_message,
        last_response_at=last_response_at,
        heard=int(last_response_at.timestamp()) // 60 if last_response_at else 0,
    )


def needing_attention(jobs: JobQuerySet, user: "User") -> JobQuerySet:
    """What somebody has to do something about; approvals only for those who may give them."""
    lately = timezone.now() - FAILED_FOR
    # No join with the retries: it would list a job once for each of them.
    retried = DuplicationJob.objects.filter(retry_of__isnull=False).values("retry_of")
    failed = Q(state=State.FAILED, finished_at__gte=lately) & ~Q(id__in=retried)
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
    # What starts at a time of its own comes after those that wait for a place.
    scheduled = Case(When(not_before__gt=timezone.now(), then=F("not_before")), default=None)
    return (
        jobs.filter(state__in=states)
        .annotate(scheduled=scheduled)
        .order_by(F("scheduled").asc(nulls_first=True), F("queued_at").asc(nulls_last=True), "created_at", "id")
    )


def latest(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.filter(state__in=(State.SUCCEEDED, State.CANCELLED, State.REJECTED)).order_by("-created_at", "-id")


def _section(
    id: str, title: str, jobs: JobQuerySet, health: MoodleHealth, *, at_most: int = AT_MOST, empty: str = ""
) -> Section:
    found: list[DuplicationJob] = list(jobs[: at_most + 1])
    more = max(0, jobs.count() - at_most) if len(found) > at_most and id != "latest" else 0
    return Section(id, title, rows(found[:at_most], health), more, empty)
