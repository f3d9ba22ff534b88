"""What the tests of the mails share: housekeeping's task, choices of people, and a mail server that fails."""

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
    """One run of housekeeping; the mails that it sent."""
    before = len(mail.outbox)
    tasks.send_due()
    return list(mail.outbox[before:])


def choose(person: User, **columns: Any) -> Preferences:
    """As if they had been to the page of preferences."""
    preferences, _ = Preferences.objects.update_or_create(user=person, defaults=columns)
    return preferences


def own(topic: Topic, when: When) -> dict[str, Any]:
    return {"own": {topic: when}}


def others(topic: Topic, when: When) -> dict[str, Any]:
    return {"others": {topic: when}}


def teaches_from_now_on(person: User) -> None:
    """Every other role is taken away."""
    person.groups.set([Group.objects.get_or_create(name=Role.FACULTY.value)[0]])
    # A role is read once for each request.
    person.__dict__.pop("_roles", None)


def succeed(job: DuplicationJob, course_id: int = 77) -> None:
    """From the queue to a complete copy, by the moves of the engine."""
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
        reason=f"Moodle will not make this copy: {message}",
        failure_code=code,
        failure_message=message,
        moodle_error={"errorcode": code, "message": message, "debuginfo": ""},
        **changes,
    )


def lose(job: DuplicationJob) -> None:
    """Looked for in vain."""
    start(job)
    move_job(job, State.CHECKING, kind="checking", reason="The answer was lost.")
    move_job(job, State.UNRESOLVED, kind="unresolved", reason="Looked 9 times: no proof.")


def start(job: DuplicationJob) -> None:
    if job.state == State.QUEUED:
        move_job(job, State.RUNNING, kind="started", reason="A worker took the job.")


def to(mails: Sequence[EmailMessage]) -> list[str]:
    return [address for message in mails for address in message.to]


def subjects(mails: Sequence[EmailMessage]) -> list[str]:
    return [message.subject for message in mails]


def rows(channel: Channel = Channel.MAIL) -> list[Notification]:
    return list(Notification.objects.filter(channel=channel).order_by("pk"))


def earlier(model: type[Any], **ages: timedelta) -> None:
    """Put moments of all rows back."""
    for row in model.objects.all():
        model.objects.filter(pk=row.pk).update(**{name: getattr(row, name) - age for name, age in ages.items()})


class FailingBackend(BaseEmailBackend):
    """Delivers to the outbox, unless a test has it fail: at the door, or for an address."""

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
