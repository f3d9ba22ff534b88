"""Writes the email that notifies one person of one event."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import access
from dupdash.accounts.advice_reader import reader_of
from dupdash.duplication.advice import what_to_do
from dupdash.duplication.explanations import explain_failure, raw_moodle_error
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.person_names import COMMAND_LINE
from dupdash.duplication.states import State
from dupdash.notifications.models import Notification
from dupdash.notifications.preferences import zone_of
from dupdash.notifications.recipients import has_address
from dupdash.notifications.safe_text import absolute, job_url, name_of, one_line, quoted
from dupdash.notifications.topics import Topic

SUBJECT_LONGEST = 150

# The beginning of the subject; the short name follows.
HEADINGS: dict[Topic, str] = {topic: topic.label for topic in Topic} | {Topic.APPROVAL: "Approval needed"}
# These emails are sent only while the job is still in this state.
REQUIRED_STATE = {Topic.APPROVAL: State.AWAITING_APPROVAL, Topic.UNRESOLVED: State.UNRESOLVED}


@dataclass(frozen=True)
class MailedJob:
    """A job, as the email templates show it. All untrusted strings are made safe."""

    fullname: str
    shortname: str
    source: str
    category: str
    requester: str
    url: str
    course_url: str
    partial: str
    differs: bool
    not_deleted: bool

    @classmethod
    def of(cls, job: DuplicationJob) -> "MailedJob":
        return cls(
            fullname=isolate(one_line(job.fullname)),
            shortname=isolate(one_line(job.shortname)),
            source=f"{isolate(one_line(job.source_fullname))} ({isolate(one_line(job.source_shortname))})",
            category=isolate(one_line(job.category_name)),
            requester=isolate(name_of(job.requester, COMMAND_LINE)),
            url=job_url(job),
            course_url=course_url(job.course_id) if job.course_id and job.course_deleted_at is None else "",
            partial=_partial(job),
            differs=job.differs,
            not_deleted=job.state == State.SUCCEEDED and job.cancel_requested_at is not None,
        )


def compose(notification: Notification) -> EmailMessage | None:
    """Return the email for a notification; None if it no longer applies, or the recipient may not see the job.

    It is also None if the recipient has no email address or an inactive account.
    """
    person, event, topic = notification.recipient, notification.event, Topic(notification.topic)
    job = event.job
    if not can_get_mail(person) or not access.may_see(person, job):
        return None
    if topic in REQUIRED_STATE and job.state != REQUIRED_STATE[topic]:
        return None
    if topic == Topic.APPROVED and job.state == State.AWAITING_APPROVAL:
        # The approval was undone.
        return None
    sees_all = access.sees_all_jobs(person)
    context = {
        "job": MailedJob.of(job),
        "own": job.requester_id == person.pk,
        "who": isolate(name_of(event.actor, "dupdash")),
        "when": event.at,
        "why": quoted(event.reason),
        "note": quoted(job.note) if job.note.strip() else "",
        "needs_approval": job.state == State.AWAITING_APPROVAL,
        "was_cancelled": job.cancel_requested_at is not None,
        "explanation": explain_failure(job) if topic == Topic.FAILED else None,
        "advice": what_to_do(job, reader_of(job, person, may_delete_courses=MoodleHealth.last_known().may_delete)),
        # Moodle's own error message is for administrators and the help desk, as on the job page.
        "raw": quoted(raw_moodle_error(job)) if sees_all and job.moodle_error else "",
        "preferences_url": absolute(reverse("preferences")),
    }
    with timezone.override(zone_of(person)):
        body = render_to_string(f"notifications/{topic}.txt", context)
    return mail(
        person,
        f"{HEADINGS[topic]}: {one_line(in_one_language(job.shortname))}",
        body,
        # The same at every attempt, so that mail programs recognise a duplicate.
        identity=f"{job.pk}.{event.pk}.{person.pk}",
        thread=job.pk,
    )


def mail(person: User, subject: str, body: str, *, identity: str, thread: str = "") -> EmailMessage:
    """Return an email that is marked as automatic, so that no program replies to it (RFC 3834).

    ``identity`` becomes the Message-ID. Mail programs group the emails that have the same ``thread``.
    """
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


def can_get_mail(person: User) -> bool:
    return person.is_active and has_address(person)


_VISIBILITY: dict[object, str] = {True: "students can see it", False: "students cannot see it"}


def _partial(job: DuplicationJob) -> str:
    """Return a short description of the partial course that a failed job left; "" if there is none."""
    if not job.left_partial_course:
        return ""
    last = job.own_course or {}
    seen = _VISIBILITY.get(last.get("visible"), "")
    name = one_line(str(last.get("fullname") or job.fullname))
    return f"course {job.course_id}, “{isolate(name)}”" + (f"; {seen}" if seen else "")
