"""Writes the daily summary email: a person's notifications of the day and, for those who want them, the figures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.role_members import administrators
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.states import State
from dupdash.notifications.job_mails import HEADINGS, MailedJob, can_get_mail, mail
from dupdash.notifications.mail_status import MailProblems, mail_problems
from dupdash.notifications.models import AGE_LONGEST, Channel, Delivery, Digest, Notification, OutboxPosition
from dupdash.notifications.preferences import wants_figures, zone_of
from dupdash.notifications.recipients import reachable
from dupdash.notifications.safe_text import absolute, one_line
from dupdash.notifications.topics import Topic

# Each list names at most this many jobs, and counts the rest.
LISTED_MOST = 30
DAY = timedelta(days=1)
# The shortest time between two summaries, even after a change of time zone. A day may have 23 hours.
INTERVAL_LEAST = timedelta(hours=23)
# How often due digests are looked for.
CHECK_INTERVAL = timedelta(minutes=1)
WITHOUT_DIGEST = Q(channel=Channel.DAILY, delivery=Delivery.WAITING, digest__isnull=True)


@dataclass(frozen=True)
class Line:
    job: MailedJob
    # The cause of a failure, or the heading of a notification.
    text: str = ""


@dataclass(frozen=True)
class Listing:
    lines: tuple[Line, ...] = ()
    more: int = 0

    @property
    def count(self) -> int:
        return len(self.lines) + self.more


@dataclass(frozen=True)
class Summary:
    """The content of a digest. Its truth value is False if every figure is 0 and there is nothing else to report."""

    figures: dict[str, int]
    failed: Listing = Listing()
    unresolved: Listing = Listing()
    approvals: Listing = Listing()
    items: Listing = Listing()
    paused: str = ""
    mail_problems: MailProblems | None = None

    def __bool__(self) -> bool:
        listed = self.failed, self.unresolved, self.approvals, self.items
        return (
            any(self.figures.values())
            or any(entry.lines for entry in listed)
            or bool(self.paused or self.mail_problems)
        )


def start_due_digests() -> None:
    """Create today's digest, if it is missing, for every recipient for whom DIGEST_HOUR has passed."""
    now = timezone.now()
    due = Q(digests_checked_at__isnull=True) | Q(digests_checked_at__lte=now - CHECK_INTERVAL)
    if not OutboxPosition.objects.filter(due).update(digests_checked_at=now):
        return
    recent = Digest.objects.filter(recipient=OuterRef("pk"), until__gt=now - INTERVAL_LEAST)
    for person in reachable(_subscribers()).filter(~Exists(recent)).exclude(email=""):
        here = now.astimezone(zone_of(person))
        until = here.replace(hour=settings.DIGEST_HOUR, minute=0, second=0, microsecond=0)
        if until <= now:
            _create(person, until)


def compose(digest: Digest) -> EmailMessage | None:
    """Return the email for a digest; None if it would be empty or the recipient cannot get email."""
    person = digest.recipient
    summary = summary_of(digest)
    if not summary or not can_get_mail(person):
        return None
    context = {
        "digest": digest,
        "summary": summary,
        "with_figures": wants_figures(person),
        "overview_url": absolute(reverse("overview")),
        "preferences_url": absolute(reverse("preferences")),
    }
    with timezone.override(zone_of(person)):
        body = render_to_string("notifications/digest.txt", context)
    return mail(person, f"Summary of {digest.day:%-d %B}: {_short(summary)}", body, identity=f"summary.{digest.pk}")


def summary_of(digest: Digest) -> Summary:
    person = digest.recipient
    # Visible now: a person may have lost a role since the notification was created.
    visible = access.visible_jobs(person).order_by()
    items = digest.notifications.filter(channel=Channel.DAILY, event__job__in=visible.values("pk"))
    if not wants_figures(person):
        return Summary({}, items=_items(items))
    jobs = DuplicationJob.objects.select_related("requester")
    failed = jobs.filter(state=State.FAILED, finished_at__gte=digest.since, finished_at__lt=digest.until)
    listed_above = Q(topic__in=(Topic.UNRESOLVED, Topic.APPROVAL)) | Q(
        event__job__in=failed.values("pk"), topic=Topic.FAILED
    )
    health = MoodleHealth.objects.filter(id=1, paused_at__isnull=False).first()
    administrator = access.is_administrator(person)
    waiting = jobs.filter(state=State.AWAITING_APPROVAL)
    return Summary(
        figures=_figures(digest.since, digest.until),
        failed=_listing(failed.order_by("finished_at", "id")),
        unresolved=_listing(jobs.filter(state=State.UNRESOLVED).order_by("created_at", "id")),
        approvals=_listing(waiting.order_by("created_at", "id")) if administrator else Listing(),
        # Jobs in the lists above are not listed again.
        items=_items(items.exclude(listed_above)),
        paused=one_line(health.fault_message or "Moodle cannot be used") if health else "",
        mail_problems=mail_problems() if administrator else None,
    )


def _subscribers() -> QuerySet[User]:
    """Return the people who get the daily figures, and those with notifications that wait for a digest."""
    people = get_user_model().objects
    has_items = Notification.objects.filter(WITHOUT_DIGEST, recipient=OuterRef("pk"))
    chosen = Q(preferences__figures=True) | Exists(has_items)
    by_default = Q(pk__in=administrators().values("pk")) & ~Q(preferences__figures=False)
    return people.filter(chosen | by_default)


def _create(person: User, until: datetime) -> None:
    """Create the digest of a person for the day of ``until`` if there is none, with the notifications that wait for it.

    Does nothing if the person gets no figures and no notification waits. Events after the digest hour belong to
    the next digest, even if this one is sent late.
    """
    waiting = Notification.objects.filter(WITHOUT_DIGEST, recipient=person, created_at__lt=until)
    if not wants_figures(person) and not waiting.exists():
        return
    last = Digest.objects.filter(recipient=person, until__gte=until - AGE_LONGEST).order_by("-until").first()
    # It starts where the last digest ended, so that no event falls between two digests.
    since = last.until if last else until - DAY
    with transaction.atomic():
        digest, is_new = Digest.objects.get_or_create(
            recipient=person, day=until.date(), defaults={"since": since, "until": until}
        )
        if is_new:
            waiting.update(digest=digest)


def _figures(since: datetime, until: datetime) -> dict[str, int]:
    ended = DuplicationJob.objects.filter(finished_at__gte=since, finished_at__lt=until)
    counts = dict(ended.values_list("state").annotate(Count("pk")).order_by())
    return {
        "requested": DuplicationJob.objects.filter(created_at__gte=since, created_at__lt=until).count(),
        "complete": counts.get(State.SUCCEEDED, 0),
        "failed": counts.get(State.FAILED, 0),
        "refused": counts.get(State.REJECTED, 0),
        "cancelled": counts.get(State.CANCELLED, 0),
    }


def _listing(jobs: JobQuerySet) -> Listing:
    lines = tuple(Line(MailedJob.of(job), _why(job)) for job in jobs[:LISTED_MOST])
    return Listing(lines, max(0, jobs.count() - LISTED_MOST) if len(lines) == LISTED_MOST else 0)


def _why(job: DuplicationJob) -> str:
    return explain(job.failure_code).happened if job.state == State.FAILED else ""


def _items(notifications: QuerySet[Notification]) -> Listing:
    rows = notifications.select_related("event__job__requester").order_by("event_id")
    lines = tuple(Line(MailedJob.of(row.event.job), HEADINGS[Topic(row.topic)]) for row in rows[:LISTED_MOST])
    return Listing(lines, max(0, rows.count() - LISTED_MOST) if len(lines) == LISTED_MOST else 0)


def _short(summary: Summary) -> str:
    """Return the most important counts for the subject; "your notifications" if all are 0."""
    parts = [
        (summary.failed.count, "failed"),
        (summary.unresolved.count, "unresolved"),
        (summary.approvals.count, "waiting for approval"),
        (summary.figures.get("complete", 0), "complete"),
    ]
    words = [f"{count} {word}" for count, word in parts if count]
    return ", ".join(words) or "your notifications"
