"""Tests that a batch is closed when all its copies have ended, and that its requester gets a mail with the results."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from dupdash.duplication import jobs
from dupdash.duplication.batch_tables import Batch
from dupdash.duplication.models import JobEvent
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.notifications import outbox
from dupdash.notifications.models import Notification
from dupdash.rollover import tasks
from tests.duplication.support import Moodle, a_job

pytestmark = pytest.mark.django_db


def a_batch(person: User | None, *states: State, **columns: object) -> Batch:
    batch = Batch.objects.create(label="Term 2027", requester=person, mail_results=True, **columns)
    for row, state in enumerate(states, start=2):
        failure = {"failure_code": "shortnametaken"} if state == State.FAILED else {}
        a_job(state, f"B-{row}", requester=person, batch=batch, batch_row=row, batch_order=row, **failure)
    return batch


def test_batch_with_a_running_copy_stays_open(administrator: User) -> None:
    batch = a_batch(administrator, State.SUCCEEDED, State.CHECKING)
    tasks.continue_work()
    batch.refresh_from_db()
    assert batch.closed_at is None
    assert mail.outbox == []


def test_results_are_mailed_once_to_the_requester(administrator: User) -> None:
    batch = a_batch(administrator, State.SUCCEEDED, State.FAILED, State.UNRESOLVED)
    tasks.continue_work()
    tasks.continue_work()
    batch.refresh_from_db()
    assert batch.closed_at is not None
    (sent,) = mail.outbox
    assert sent.to == [administrator.email]
    assert "1 of 3 copies complete" in sent.subject
    assert "row 3, " in sent.body
    assert f"/rollover/batches/{batch.pk}/" in sent.body
    assert "Results, and a button that tries the failed ones again: " in sent.body


def test_results_mail_says_how_many_copies_are_unresolved(administrator: User) -> None:
    a_batch(administrator, State.SUCCEEDED, State.UNRESOLVED)
    tasks.continue_work()
    (sent,) = mail.outbox
    assert "has ended, but 1 copy is unresolved." in sent.body
    assert "tries the failed ones again" not in sent.body


def test_refused_results_mail_is_retried_later(administrator: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    batch = a_batch(administrator, State.SUCCEEDED)
    tasks.continue_work()
    batch.refresh_from_db()
    assert batch.mail_attempts == 1
    assert batch.mail_due_at is not None
    assert batch.mail_due_at > timezone.now()


def test_copies_of_a_batch_are_not_mailed_one_by_one(administrator: User) -> None:
    of_batch = a_batch(administrator, State.FAILED).jobs.get()
    single = a_job(State.FAILED, "SINGLE", requester=administrator)
    for job in (of_batch, single):
        JobEvent.objects.create(
            job=job, kind="failed", from_state=State.RUNNING, to_state=State.FAILED, reason="Failed."
        )
    outbox.collect()
    assert set(Notification.objects.values_list("event__job", flat=True)) == {single.pk}


def test_retried_copy_reopens_its_batch(administrator: User, moodle: Moodle) -> None:
    batch = a_batch(administrator, State.FAILED)
    tasks.continue_work()
    failed = batch.jobs.get()
    failed.source_id = 7
    failed.save()
    with open_client() as client:
        jobs.retry(failed, actor=administrator, client=client)
    batch.refresh_from_db()
    assert batch.closed_at is None
