"""Collects the sections and figures of the overview. The most urgent section comes first."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, Count, F, Max, When
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.states import BUSY, UNFINISHED, State
from dupdash.web.date_fields import start_of, today
from dupdash.web.job_list.attention import reasons_for_attention
from dupdash.web.job_list.state_groups import ATTENTION, BUSY_ONLY, UNFINISHED_ONLY
from dupdash.web.presentation.components import Figure
from dupdash.web.presentation.job_rows import Row, rows

JOBS_MOST = 10
LATEST_MOST = 5
# Jobs are counted only up to this number.
COUNTED_MOST = 1000


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    rows: tuple[Row, ...]
    # The number of further jobs, as text; empty if there are none.
    more: str
    # The page that lists all of these jobs.
    url: str
    # The text of the section if it has no jobs. Without a text an empty section is hidden.
    empty: str = ""


def sections(user: User, health: MoodleHealth) -> list[Section]:
    visible = access.visible_jobs(user).select_related("requester", "assignee")
    found = [
        _attention(visible, user, health),
        _section("running", "Running", running(visible), health, {"state": BUSY_ONLY}, empty="No copy is running."),
        _section("waiting", "Waiting", waiting(visible, user), health, {"state": UNFINISHED_ONLY}),
        _section("latest", "Latest", latest(visible), health, {}, at_most=LATEST_MOST),
    ]
    return [section for section in found if section.rows or section.empty]


def figures(user: User) -> list[Figure]:
    """Return the figures of today, and those of the unfinished copies. Only jobs that this person may see count."""
    begun, day = start_of(today()), today().isoformat()
    # The figures count only the latest attempt at each copy, like the list to which they link.
    visible = access.visible_jobs(user).filter(is_retried=False).order_by()
    # Each of the three queries uses an index. One query with OR would read all jobs.
    requested = visible.filter(created_at__gte=begun).count()
    finished = _by_state(visible.filter(state__in=(State.SUCCEEDED, State.FAILED), finished_at__gte=begun))
    unfinished = _by_state(visible.filter(state__in=UNFINISHED))
    busy = sum(unfinished[state] for state in BUSY)

    approvals = reverse("approvals") if access.is_administrator(user) else copies_url(state=State.AWAITING_APPROVAL)
    return [
        Figure(requested, "Requested today", copies_url(since=day)),
        Figure(finished[State.SUCCEEDED], "Succeeded today", copies_url(state=State.SUCCEEDED, finished_since=day)),
        Figure(
            finished[State.FAILED],
            "Failed today",
            copies_url(state=State.FAILED, finished_since=day),
            tone="danger" if finished[State.FAILED] else "",
        ),
        Figure(busy, "Running", copies_url(state=BUSY_ONLY)),
        Figure(unfinished[State.QUEUED], "Waiting", copies_url(state=State.QUEUED)),
        Figure(
            unfinished[State.AWAITING_APPROVAL],
            "To approve" if access.is_administrator(user) else "Waiting for approval",
            approvals,
            tone="warning" if unfinished[State.AWAITING_APPROVAL] and access.is_administrator(user) else "",
        ),
    ]


def _by_state(jobs: JobQuerySet) -> Counter[str]:
    return Counter(dict(jobs.values_list("state").annotate(Count("pk"))))


@dataclass(frozen=True)
class Site:
    """The last known state of the Moodle site."""

    name: str
    url: str
    release: str
    driver: str
    paused_at: datetime | None
    fault: str
    # The time of Moodle's last answer. It is not compared, because it would change the page at every poll.
    last_response_at: datetime | None = field(compare=False, repr=False)
    # The same time in whole minutes, which is compared.
    last_response_minute: int = 0


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
        last_response_minute=int(last_response_at.timestamp()) // 60 if last_response_at else 0,
    )


def running(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.busy().order_by("started_at", "id")


def waiting(jobs: JobQuerySet, user: User) -> JobQuerySet:
    """Return the waiting jobs: those that can start at once before scheduled ones, and the longest waiting first.

    Requests that this person already sees in "Needs attention" are left out.
    """
    states = {State.QUEUED} if access.is_administrator(user) else {State.QUEUED, State.AWAITING_APPROVAL}
    # Scheduled copies come after those that start as soon as possible.
    scheduled = Case(When(not_before__gt=timezone.now(), then=F("not_before")), default=None)
    return (
        jobs.filter(state__in=states)
        .annotate(scheduled=scheduled)
        .order_by(F("scheduled").asc(nulls_first=True), F("queued_at").asc(nulls_last=True), "created_at", "id")
    )


def latest(jobs: JobQuerySet) -> JobQuerySet:
    # "NOT IN", not "IN": with "IN" the database uses the index of states and sorts all ended jobs.
    return jobs.filter(is_retried=False).exclude(state__in=UNFINISHED | {State.FAILED}).order_by("-created_at", "-id")


def _attention(jobs: JobQuerySet, user: User, health: MoodleHealth) -> Section:
    kinds = [jobs.filter(reason.where).order_by(reason.order) for reason in reasons_for_attention(user)]
    latest = sorted((job for kind in kinds for job in kind[:JOBS_MOST]), key=lambda job: job.created_at, reverse=True)
    count = sum(kind[: COUNTED_MOST + 1].count() for kind in kinds)
    shown = rows(latest[:JOBS_MOST], health)
    return Section("attention", "Needs attention", shown, _more(count - len(shown)), copies_url(state=ATTENTION))


def _section(
    id: str,
    title: str,
    jobs: JobQuerySet,
    health: MoodleHealth,
    filters: Mapping[str, str],
    *,
    at_most: int = JOBS_MOST,
    empty: str = "",
) -> Section:
    found: list[DuplicationJob] = list(jobs[: at_most + 1])
    more = jobs[: COUNTED_MOST + 1].count() - at_most if len(found) > at_most and id != "latest" else 0
    return Section(id, title, rows(found[:at_most], health), _more(more), copies_url(**filters), empty)


def _more(count: int) -> str:
    return f"more than {COUNTED_MOST - JOBS_MOST:,}" if count > COUNTED_MOST - JOBS_MOST else str(count or "")


def copies_url(**filters: str) -> str:
    return f"{reverse('jobs:list')}?{urlencode(filters)}".rstrip("?")
