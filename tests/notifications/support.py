"""Helpers for tests of mails: run housekeeping, set preferences, move jobs, and simulate a failing mail server."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from dupdash.accounts.access import Role
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from dupdash.notifications import tasks
from dupdash.notifications.models import Channel, Notification, Preferences
from dupdash.notifications.topics import Topic, When


def sweep() -> list[EmailMessage]:
    """Run the housekeeping task once. Returns the mails that it sent."""
    before = len(mail.outbox)
    tasks.send_due()
    return list(mail.outbox[before:])


def choose(person: User, **columns: Any) -> Preferences:
    """Save preferences like the page *Preferences*."""
    preferences, _ = Preferences.objects.update_or_create(user=person, defaults=columns)
    return preferences


def own(topic: Topic, when: When) -> dict[str, Any]:
    return {"own": {topic: when}}


def others(topic: Topic, when: When) -> dict[str, Any]:
    return {"others": {topic: when}}


def teaches_from_now_on(person: User) -> None:
    """Make this person a faculty member without other roles."""
    person.groups.set([Group.objects.get_or_create(name=Role.FACULTY.value)[0]])
    # Roles are read once for each request, so the cached roles are removed.
    person.__dict__.pop("_roles", None)


def succeed(job: DuplicationJob, course_id: int = 77) -> None:
    """Move a queued job to *succeeded* with the engine's transitions."""
    start(job)
    move_job(
        job,
        State.SUCCEEDED,
        kind="succeeded",
        reason=f"The copy is complete: course {course_id}.",
        course_id=course_id,
    )


def fail(job: DuplicationJob, code: str = "nopermissions", message: str = "Sorry", **changes: Any) -> None:
    start(job)
    move_job(
        job,
        State.FAILED,
        kind="failed",
        reason=f"Moodle did not make this copy: {message}",
        failure_code=code,
        failure_message=message,
        moodle_error={"errorcode": code, "message": message, "debuginfo": ""},
        **changes,
    )


def lose(job: DuplicationJob) -> None:
    """Move a job to *unresolved*."""
    start(job)
    move_job(job, State.CHECKING, kind="checking", reason="The answer was lost.")
    move_job(job, State.UNRESOLVED, kind="unresolved", reason="Looked 9 times: no proof.")


def start(job: DuplicationJob) -> None:
    if job.state == State.QUEUED:
        move_job(job, State.RUNNING, kind="started", reason="A worker claimed the job.")


def to(mails: Sequence[EmailMessage]) -> list[str]:
    return [address for message in mails for address in message.to]


def subjects(mails: Sequence[EmailMessage]) -> list[str]:
    return [message.subject for message in mails]


def rows(channel: Channel = Channel.MAIL) -> list[Notification]:
    return list(Notification.objects.filter(channel=channel).order_by("pk"))


def earlier(model: type[Any], **ages: timedelta) -> None:
    """Move the times of all rows into the past."""
    for row in model.objects.all():
        model.objects.filter(pk=row.pk).update(**{name: getattr(row, name) - age for name, age in ages.items()})


class FailingBackend(BaseEmailBackend):
    """A mail backend that delivers to the test outbox, or fails on request: at the connection, or for an address."""

    unreachable: Exception | None = None
    refuses: dict[str, Exception] = {}
    connections = 0
    in_transaction = False
    connected = False

    @classmethod
    def reset(cls) -> None:
        cls.unreachable, cls.refuses, cls.connections, cls.in_transaction = None, {}, 0, False

    def open(self) -> bool:
        if self.unreachable is not None:
            raise self.unreachable
        if self.connected:
            return False
        self.connected = True
        type(self).connections += 1
        return True

    def close(self) -> None:
        self.connected = False

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            type(self).in_transaction |= connection.in_atomic_block
            for address in message.to:
                if address in self.refuses:
                    raise self.refuses[address]
            message.message()
            mail.outbox.append(message)
        return len(email_messages)
