"""The mail that tells one person of one event."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.engine.verification import differs
from dupdash.duplication.explanations import Explanation, explain_failure
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.states import State
from dupdash.notifications.models import Notification
from dupdash.notifications.preferences import zone_of
from dupdash.notifications.recipients import has_address
from dupdash.notifications.safe_text import absolute, address_of, name_of, one_line, quoted
from dupdash.notifications.topics import Topic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SUBJECT_LONGEST = 150
COMMAND_LINE = "the command line"

# The state in the fewest words, in front of the short name.
HEADINGS: dict[Topic, str] = {
    Topic.REQUESTED: "Requested",
    Topic.APPROVAL: "Approval needed",
    Topic.APPROVED: "Approved",
    Topic.REFUSED: "Refused",
    Topic.SUCCEEDED: "Complete",
    Topic.FAILED: "Failed",
    Topic.UNRESOLVED: "Unresolved",
    Topic.CANCELLED: "Cancelled",
}
# What waits for somebody is not worth a mail any more once it does not wait.
PASSING = {Topic.APPROVAL: State.AWAITING_APPROVAL, Topic.UNRESOLVED: State.UNRESOLVED}


@dataclass(frozen=True)
class Told:
    """A job as the templates of mails read it: every text of others made harmless."""

    fullname: str
    shortname: str
    source: str
    category: str
    requester: str
    url: str
    course_url: str
    partial: str
    differs: bool
    not_removed: bool

    @classmethod
    def of(cls, job: DuplicationJob) -> "Told":
        return cls(
            fullname=one_line(job.fullname),
            shortname=one_line(job.shortname),
            source=f"{one_line(job.source_fullname)} ({one_line(job.source_shortname)})",
            category=one_line(job.category_name),
            requester=name_of(job.requester, COMMAND_LINE),
            url=address_of(job),
            course_url=course_url(job.course_id) if job.course_id and job.course_deleted_at is None else "",
            partial=_partial(job),
            differs=differs(job.verification),
            not_removed=job.state == State.SUCCEEDED and job.cancel_requested_at is not None,
        )


def compose(notification: Notification) -> EmailMessage | None:
    """The mail of a notification; None where it is not to be sent any more."""
    person, event, topic = notification.recipient, notification.event, Topic(notification.topic)
    job = event.job
    if not may_be_written_to(person) or not access.may_see(person, job):
        return None
    if topic in PASSING and job.state != PASSING[topic]:
        return None
    sees_all = access.sees_all_jobs(person)
    context = {
        "job": Told.of(job),
        "own": job.requester_id == person.pk,
        "who": name_of(event.actor, "dupdash"),
        "when": event.at,
        "why": quoted(event.reason),
        "note": quoted(job.note) if job.note.strip() else "",
        "waits": job.state == State.AWAITING_APPROVAL,
        "explanation": _explanation(job) if topic == Topic.FAILED else None,
        # Moodle's own words are for those who help, as on the page of the job.
        "raw": quoted(f"{job.failure_code}\n{job.failure_message}".strip()) if sees_all and job.failure_code else "",
        "preferences_url": absolute(reverse("preferences")),
    }
    with timezone.override(zone_of(person)):
        body = render_to_string(f"notifications/{topic}.txt", context)
    return mail(
        person,
        f"{HEADINGS[topic]}: {one_line(job.shortname)}",
        body,
        # The same at every attempt: a mail that comes twice is known by it.
        identity=f"{job.pk}.{event.pk}.{person.pk}",
        thread=job.pk,
    )


def mail(person: "User", subject: str, body: str, *, identity: str, thread: str = "") -> EmailMessage:
    """A mail that says of itself that a program wrote it, so that nothing answers it by itself (RFC 3834)."""
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    headers = {"Message-ID": f"<{identity}@{host}>", "Auto-Submitted": "auto-generated"}
    if thread:
        headers["References"] = f"<{thread}@{host}>"
    return EmailMessage(
        subject=one_line(f"[dupdash] {subject}", SUBJECT_LONGEST),
        body=body.strip() + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[one_line(person.email)],
        headers=headers,
    )


def may_be_written_to(person: "User") -> bool:
    return person.is_active and has_address(person)


def _explanation(job: DuplicationJob) -> Explanation:
    return explain_failure(job)


_VISIBILITY: dict[object, str] = {True: "students can see it", False: "students cannot see it"}


def _partial(job: DuplicationJob) -> str:
    """The incomplete course that a failed job left, in a few words."""
    if not job.left_partial_course:
        return ""
    last = job.facts.get("last") or {}
    seen = _VISIBILITY.get(last.get("visible"), "")
    name = one_line(str(last.get("fullname") or job.fullname))
    return f"course {job.course_id}, “{name}”" + (f"; {seen}" if seen else "")
