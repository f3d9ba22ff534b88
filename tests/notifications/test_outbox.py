"""Tests the outbox: it sends each mail once, retries failed mails, and gives up after some attempts."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dupdash.duplication.models import JobEvent
from dupdash.duplication.queue import database_lock
from dupdash.notifications import job_mails, outbox, sender, tasks
from dupdash.notifications.mail_status import mail_problems
from dupdash.notifications.models import Delivery, Notification, OutboxPosition
from tests.conftest import make_person
from tests.duplication.support import Clock, a_job
from tests.notifications.support import earlier, fail, rows, succeed, sweep, to

pytestmark = pytest.mark.django_db


def test_each_mail_is_sent_once_after_several_sweeps(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty))
    assert len(sweep()) == 1
    for _ in range(3):
        assert sweep() == []
        clock.forward(3600)
    assert rows()[0].delivery == Delivery.SENT


def test_event_read_by_two_workers_makes_one_mail_each(faculty: User, sent_mail: Any) -> None:
    succeed(a_job(requester=faculty))
    outbox.collect()
    again = [
        Notification(event=row.event, recipient=row.recipient, channel=row.channel, topic=row.topic) for row in rows()
    ]
    Notification.objects.bulk_create(again, ignore_conflicts=True)
    assert len(rows()) == 1


def test_mail_of_a_dead_worker_is_sent_again(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty))
    outbox.collect()
    item = rows()[0]
    assert sender._claim(item)
    # The worker has died. Until its claim expires, no other worker sends the mail.
    assert sweep() == []
    clock.forward(sender.CLAIM.total_seconds() + 1)
    assert to(sweep()) == [faculty.email]
    clock.forward(sender.CLAIM.total_seconds() + 1)
    assert sweep() == []


def test_mail_sent_twice_has_the_same_message_id(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty))
    first = sweep()
    # The mail was sent, but the worker died before it could record this.
    Notification.objects.update(delivery=Delivery.WAITING, due_at=timezone.now())
    second = sweep()
    assert len(first) == len(second) == 1
    assert first[0].message()["Message-ID"] == second[0].message()["Message-ID"]


def test_mail_claimed_by_two_workers_is_sent_by_one(faculty: User, sent_mail: Any) -> None:
    succeed(a_job(requester=faculty))
    outbox.collect()
    ours, theirs = rows()[0], rows()[0]
    assert sender._claim(ours)
    assert not sender._claim(theirs)


def test_second_run_sends_nothing_while_the_first_runs(faculty: User, sent_mail: Any) -> None:
    succeed(a_job(requester=faculty))
    with database_lock.try_lock(database_lock.MAIL):
        assert sweep() == []
    assert len(sweep()) == 1


def test_failed_run_does_not_block_the_next_one(faculty: User, sent_mail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(a_job(requester=faculty))
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "collect", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tasks.send_due()
    assert len(sweep()) == 1


@pytest.mark.django_db(transaction=True)
def test_mails_are_sent_outside_transactions_over_one_connection(
    faculty: User, sent_mail: Any, post_office: Any
) -> None:
    for number in range(3):
        succeed(a_job(requester=faculty, shortname=f"N-{number}"))
    assert len(sweep()) == 3
    assert post_office.connections == 1
    assert not post_office.in_transaction


def test_failing_mail_is_retried_with_growing_delays_then_given_up(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock, settings: Any
) -> None:
    settings.MAIL_ATTEMPTS = 4
    settings.MAIL_RETRY_FIRST, settings.MAIL_RETRY_LONGEST = 60, 150
    post_office.refuses = {faculty.email: smtplib.SMTPDataError(451, b"try\x00 later")}
    succeed(a_job(requester=faculty))
    delays = []
    for _ in range(4):
        sweep()
        row = rows()[0]
        if row.delivery == Delivery.WAITING:
            delays.append(round((row.due_at - timezone.now()).total_seconds()))
            assert sweep() == []
            clock.forward(delays[-1] + 1)
    assert delays == [60, 120, 150]
    assert row.delivery == Delivery.GIVEN_UP
    assert row.attempts == 4
    assert "later" in row.last_error
    assert mail_problems().given_up == 1
    post_office.reset()
    clock.forward(3600)
    assert sweep() == []


def test_mail_refused_before_is_sent_later(faculty: User, sent_mail: Any, post_office: Any, clock: Clock) -> None:
    post_office.refuses = {faculty.email: smtplib.SMTPDataError(451, b"try later")}
    succeed(a_job(requester=faculty))
    assert sweep() == []
    post_office.reset()
    clock.forward(61)
    assert to(sweep()) == [faculty.email]
    assert not mail_problems()


def test_mail_to_a_permanently_refused_address_is_given_up(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock
) -> None:
    refusal = smtplib.SMTPRecipientsRefused({faculty.email: (550, b"no such user")})
    post_office.refuses = {faculty.email: refusal}
    succeed(a_job(requester=faculty))
    for _ in range(5):
        sweep()
        clock.forward(4 * 3600)
    assert rows()[0].delivery == Delivery.GIVEN_UP
    assert rows()[0].attempts == sender.ATTEMPTS_REFUSED


def test_mail_that_cannot_be_sent_does_not_block_others(
    faculty: User, colleague: User, sent_mail: Any, post_office: Any
) -> None:
    post_office.refuses = {faculty.email: ConnectionResetError("gone")}
    succeed(a_job(requester=faculty, shortname="ONE"))
    succeed(a_job(requester=colleague, shortname="TWO"))
    assert to(sweep()) == [colleague.email]


def test_mail_that_cannot_be_rendered_does_not_block_others(
    faculty: User, colleague: User, sent_mail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed(a_job(requester=faculty, shortname="ONE"))
    succeed(a_job(requester=colleague, shortname="TWO"))
    compose = job_mails.compose

    def broken(notification: Notification) -> Any:
        return 1 / 0 if notification.recipient == faculty else compose(notification)

    monkeypatch.setattr(job_mails, "compose", broken)
    assert to(sweep()) == [colleague.email]
    assert "ZeroDivisionError" in Notification.objects.get(recipient=faculty, channel="mail").last_error


def test_mail_that_kills_its_worker_is_given_up(faculty: User, sent_mail: Any, clock: Clock, settings: Any) -> None:
    settings.MAIL_ATTEMPTS = 2
    succeed(a_job(requester=faculty))
    outbox.collect()
    for _ in range(2):
        assert sender._claim(rows()[0])
        clock.forward(sender.CLAIM.total_seconds() + 1)
    assert sweep() == []
    assert rows()[0].delivery == Delivery.GIVEN_UP


def test_unreachable_mail_server_uses_up_no_attempt(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock
) -> None:
    post_office.unreachable = ConnectionRefusedError("refused")
    for number in range(3):
        succeed(a_job(requester=faculty, shortname=f"N-{number}"))
    sweep()
    assert [row.attempts for row in rows()] == [0, 0, 0]
    assert mail_problems().failing_since is not None
    assert "refused" in mail_problems().error
    # The mail server is tried again after a while, and then after a longer while.
    post_office.unreachable = None
    assert sweep() == []
    clock.forward(61)
    assert len(sweep()) == 3
    assert not mail_problems()


def test_returned_mail_server_is_noticed_without_due_mail(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock
) -> None:
    post_office.unreachable = ConnectionRefusedError("refused")
    succeed(a_job(requester=faculty))
    sweep()
    Notification.objects.all().delete()
    JobEvent.objects.all().delete()
    clock.forward(61)
    sweep()
    assert mail_problems().failing_since is not None
    post_office.unreachable = None
    # Without due mail the server is also tried only after this time.
    clock.forward(61)
    sweep()
    assert mail_problems().failing_since is not None
    clock.forward(60)
    sweep()
    assert not mail_problems()
    assert post_office.connections == 1
    # No mail is due and the server works, so the server is not contacted.
    sweep()
    assert post_office.connections == 1


def test_unreachable_mail_server_is_probed_less_and_less_often(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock
) -> None:
    post_office.unreachable = ConnectionRefusedError("refused")
    succeed(a_job(requester=faculty))
    delays = []
    for _ in range(3):
        sweep()
        not_before = OutboxPosition.current().next_attempt_at
        assert not_before is not None
        delays.append(round((not_before - timezone.now()).total_seconds()))
        clock.forward(delays[-1] + 1)
    assert delays == [60, 120, 240]


def test_mail_unsent_for_days_is_given_up_counted_and_logged(
    faculty: User, sent_mail: Any, post_office: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    post_office.unreachable = ConnectionRefusedError("refused")
    succeed(a_job(requester=faculty))
    sweep()
    clock.forward(timedelta(days=3, hours=1).total_seconds())
    post_office.unreachable = None
    assert sweep() == []
    assert rows()[0].delivery == Delivery.GIVEN_UP
    assert mail_problems().given_up == 1
    assert f"{rows()[0]} is given up" in caplog.text


def test_old_event_makes_no_mail(faculty: User, sent_mail: Any) -> None:
    succeed(a_job(requester=faculty))
    earlier(JobEvent, at=timedelta(days=4))
    assert sweep() == []
    assert rows() == []


def test_event_committed_late_is_not_missed(faculty: User, colleague: User, sent_mail: Any) -> None:
    """An event that is committed late is not missed, although events with higher ids were already read."""
    late = a_job(requester=faculty, shortname="LATE")
    event = JobEvent.objects.create(job=late, kind="failed", from_state="running", to_state="failed", reason="Late.")
    succeed(a_job(requester=colleague, shortname="EARLY"))
    kept = {
        "pk": event.pk,
        "job": late,
        "kind": "failed",
        "from_state": "running",
        "to_state": "failed",
        "reason": "Late.",
    }
    event.delete()
    assert to(sweep()) == [colleague.email]
    JobEvent.objects.create(**kept)
    assert to(sweep()) == [faculty.email]


def test_processed_event_is_not_read_again(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty))
    sweep()
    clock.forward(outbox.COMMITTED_AFTER.total_seconds() + 1)
    sweep()
    assert OutboxPosition.current().event_id == JobEvent.objects.latest("pk").pk


def test_sweep_without_events_needs_few_queries(faculty: User, sent_mail: Any) -> None:
    make_person("second")
    sweep()
    with CaptureQueriesContext(connection) as queries:
        sweep()
    assert len(queries) <= 20


def test_thousand_events_need_few_queries(faculty: User, sent_mail: Any) -> None:
    job = a_job(requester=faculty)
    told = {"job": job, "kind": "failed", "from_state": "running", "to_state": "failed", "reason": "No."}
    JobEvent.objects.bulk_create(JobEvent(**told) for _ in range(1000))
    with CaptureQueriesContext(connection) as queries:
        outbox.collect()
    assert len(rows()) == 1000
    assert len(queries) < 60


def test_old_mails_are_deleted(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty, shortname="OLD"))
    sweep()
    clock.forward(timedelta(days=31).total_seconds())
    fail(a_job(requester=faculty, shortname="NEW"))
    sweep()
    assert [row.event.job.shortname for row in rows()] == ["NEW"]
    clock.forward(timedelta(days=2).total_seconds())
    assert sweep() == []
    assert len(mail.outbox) == 2
