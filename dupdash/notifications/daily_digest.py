"""The daily summary: what people wanted to be told once a day, and for administrators the figures of the day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.states import State
from dupdash.notifications.job_mails import HEADINGS, Told, mail, may_be_written_to
from dupdash.notifications.mail_status import MailProblems, mail_problems
from dupdash.notifications.models import TOLD_FOR, Channel, Delivery, Digest, Notification, OutboxPosition
from dupdash.notifications.preferences import wants_figures, zone_of
from dupdash.notifications.recipients import administrators, reachable
from dupdash.notifications.safe_text import absolute, one_line
from dupdash.notifications.topics import Topic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# So many of each kind are named; of the rest it is said how many there are.
NAMED = 30
DAY = timedelta(days=1)
# Who moves to another time zone gets no second summary for it. A day may have 23 hours.
APART = timedelta(hours=23)
# Whether somebody's hour has come is looked at so often.
PAUSE = timedelta(minutes=1)
TO_BE_SUMMED_UP = Q(channel=Channel.DAILY, delivery=Delivery.WAITING, digest__isnull=True)


@dataclass(frozen=True)
class Line:
    job: Told
    # What happened: the reason of a failure, or the heading of a notification.
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
    """What there is to say; empty on a day on which nothing happened and nothing waits for anybody."""

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


def prepare() -> None:
    """Begin the summary of everybody whose hour it is and who has none of today."""
    now = timezone.now()
    due = Q(prepared_at__isnull=True) | Q(prepared_at__lte=now - PAUSE)
    if not OutboxPosition.objects.filter(due).update(prepared_at=now):
        return
    lately = Digest.objects.filter(recipient=OuterRef("pk"), until__gt=now - APART)
    for person in reachable(_wanting()).filter(~Exists(lately)).exclude(email=""):
        here = now.astimezone(zone_of(person))
        until = here.replace(hour=settings.DIGEST_HOUR, minute=0, second=0, microsecond=0)
        if until <= now:
            _begin(person, until)


def compose(digest: Digest) -> EmailMessage | None:
    """The mail of a summary; None where there is nothing to say, or nobody to say it to."""
    person = digest.recipient
    summary = summary_of(digest)
    if not summary or not may_be_written_to(person):
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
    # As of now: what was written down for somebody who saw all copies is not told to whom that role was taken from.
    seen = access.visible_jobs(person).order_by()
    items = digest.notifications.filter(channel=Channel.DAILY, event__job__in=seen.values("pk"))
    if not wants_figures(person):
        return Summary({}, items=_items(items))
    jobs = DuplicationJob.objects.select_related("requester")
    failed = jobs.filter(state=State.FAILED, finished_at__gte=digest.since, finished_at__lt=digest.until)
    named = Q(event__job__in=failed.values("pk"), topic=Topic.FAILED) | Q(topic__in=(Topic.UNRESOLVED, Topic.APPROVAL))
    health = MoodleHealth.objects.filter(id=1, paused_at__isnull=False).first()
    administrator = access.is_administrator(person)
    waiting = jobs.filter(state=State.AWAITING_APPROVAL)
    return Summary(
        figures=_figures(digest.since, digest.until),
        failed=_listing(failed.order_by("finished_at", "id")),
        unresolved=_listing(jobs.filter(state=State.UNRESOLVED).order_by("created_at", "id")),
        approvals=_listing(waiting.order_by("created_at", "id")) if administrator else Listing(),
        # What the lists above name is not said twice.
        items=_items(items.exclude(named)),
        paused=one_line(health.fault_message or "the Moodle cannot be used") if health else "",
        mail_problems=mail_problems() if administrator else None,
    )


def _wanting() -> "QuerySet[User]":
    """Those who get the figures, and those for whom something waits."""
    people = get_user_model().objects
    waits = Notification.objects.filter(TO_BE_SUMMED_UP, recipient=OuterRef("pk"))
    chosen = Q(preferences__figures=True) | Exists(waits)
    unasked = Q(pk__in=administrators().values("pk")) & ~Q(preferences__figures=False)
    return people.filter(chosen | unasked)


def _begin(person: "User", until: datetime) -> None:
    """The row is what makes it once a day; the notifications that go with it are bound to it in the same breath.

    What comes after the hour belongs to the next day, also where this one is late.
    """
    waiting = Notification.objects.filter(TO_BE_SUMMED_UP, recipient=person, created_at__lt=until)
    if not wants_figures(person) and not waiting.exists():
        return
    last = Digest.objects.filter(recipient=person, until__gte=until - TOLD_FOR).order_by("-until").first()
    # Where the last one ended, so that nothing falls between two.
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
        "asked for": DuplicationJob.objects.filter(created_at__gte=since, created_at__lt=until).count(),
        "complete": counts.get(State.SUCCEEDED, 0),
        "failed": counts.get(State.FAILED, 0),
        "refused": counts.get(State.REJECTED, 0),
        "cancelled": counts.get(State.CANCELLED, 0),
    }


def _listing(jobs: JobQuerySet) -> Listing:
    named = tuple(Line(Told.of(job), _why(job)) for job in jobs[:NAMED])
    return Listing(named, max(0, jobs.count() - NAMED) if len(named) == NAMED else 0)


def _why(job: DuplicationJob) -> str:
    return explain(job.failure_code).happened if job.state == State.FAILED else ""


def _items(notifications: "QuerySet[Notification]") -> Listing:
    rows = notifications.select_related("event__job__requester").order_by("event_id")
    named = tuple(Line(Told.of(row.event.job), HEADINGS[Topic(row.topic)]) for row in rows[:NAMED])
    return Listing(named, max(0, rows.count() - NAMED) if len(named) == NAMED else 0)


def _short(summary: Summary) -> str:
    """What matters most, for the subject."""
    parts = [
        (summary.failed.count, "failed"),
        (summary.unresolved.count, "unresolved"),
        (summary.approvals.count, "waiting for approval"),
        (summary.figures.get("complete", 0), "complete"),
    ]
    words = [f"{count} {word}" for count, word in parts if count]
    return ", ".join(words) or "what you wanted to know"
