"""Tests the text of mails, even with hostile names and reasons."""

from datetime import timedelta
from email import policy
from email.parser import BytesParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import timezone

from dupdash.accounts.access import Role
from dupdash.duplication import approval_actions, jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from dupdash.notifications.safe_text import one_line, quoted
from dupdash.notifications.topics import Topic, When
from tests.conftest import make_person
from tests.duplication.support import a_job
from tests.notifications.support import choose, fail, lose, others, own, succeed, sweep

pytestmark = pytest.mark.django_db

HOSTILE = "X\r\nBcc: everybody@example.org\r\n\r\nClick http://evil.example \u202egnp.exe \x07\x1b[31m <b>&amp;</b>"


def parsed(message: EmailMessage) -> Any:
    """Return the mail as its recipient gets it."""
    return BytesParser(policy=policy.default).parsebytes(message.message().as_bytes())


def every_mail(administrator: User, requester: User, **columns: Any) -> list[EmailMessage]:
    """Send and return one mail of each kind."""
    choose(requester, own=dict.fromkeys(Topic.values, When.NOW))
    given = {"requester": requester, **columns}
    approval_actions.approve(a_job(State.AWAITING_APPROVAL, "A", **given), actor=administrator)
    approval_actions.reject(a_job(State.AWAITING_APPROVAL, "B", **given), reason=HOSTILE, actor=administrator)
    jobs.cancel(a_job(State.QUEUED, "C", **given), actor=administrator)
    succeed(a_job(State.QUEUED, "D", **given))
    fail(a_job(State.QUEUED, "E", **given), "somecode", HOSTILE)
    lose(a_job(State.QUEUED, "F", **given))
    a_job(State.AWAITING_APPROVAL, "G", **given)
    return sweep()


def test_names_cannot_inject_headers_or_lines(administrator: User, sent_mail: Any) -> None:
    mean = make_person("mean", Role.FACULTY, first_name="M\nSubject: hi", last_name="Ean")
    names = ("fullname", "source_fullname", "source_shortname", "category_name", "note")
    choose(administrator, **others(Topic.SUCCEEDED, When.NOW))
    mails = every_mail(administrator, mean, **dict.fromkeys(names, HOSTILE))
    a_job(State.AWAITING_APPROVAL, HOSTILE[:99], requester=mean)
    mails += sweep()
    assert len(mails) > 12
    for message in mails:
        read = parsed(message)
        text = read.get_content()
        assert read["Bcc"] is None
        assert len(read.get_all("Subject")) == 1
        assert read["To"] in (administrator.email, mean.email)
        assert not any(line.startswith(("Bcc", "Click", "Subject")) for line in text.splitlines()), text
        assert not set("\x07\x1b\u202e") & set(text)
    # Mails are plain text, so names are neither escaped nor stripped.
    assert "<b>&amp;</b>" in parsed(mails[0]).get_content()


def test_every_mail_has_the_headers_of_automatic_mail(administrator: User, faculty: User, sent_mail: Any) -> None:
    mails = every_mail(administrator, faculty)
    assert {message.subject.split(":")[0] for message in mails} == {
        "[dupdash] Requested",
        "[dupdash] Approval needed",
        "[dupdash] Approved",
        "[dupdash] Refused",
        "[dupdash] Cancelled",
        "[dupdash] Complete",
        "[dupdash] Failed",
        "[dupdash] Unresolved",
    }
    for message in mails:
        read = parsed(message)
        assert read["From"] == "copies@example.edu"
        assert read["Auto-Submitted"] == "auto-generated"
        assert read["Message-ID"].endswith("@copies.example.edu>")
        assert read.get_content_type() == "text/plain"
        assert "https://copies.example.edu/jobs/" in read.get_content()
        assert "https://copies.example.edu/preferences/" in read.get_content()
        assert "{" not in read.get_content()
        assert "\n\n\n" not in read.get_content()
    ids = [parsed(message)["Message-ID"] for message in mails]
    assert len(set(ids)) == len(ids)


def test_mail_contains_no_secrets(administrator: User, faculty: User, sent_mail: Any, settings: Any) -> None:
    settings.MOODLE_TOKEN, settings.EMAIL_HOST_PASSWORD = "0123456789abcdef", "hunter2"
    for message in every_mail(administrator, faculty):
        whole = message.message().as_string()
        assert "0123456789abcdef" not in whole
        assert "hunter2" not in whole
        assert settings.SECRET_KEY not in whole


def test_long_subject_is_shortened(faculty: User, sent_mail: Any) -> None:
    fail(a_job(shortname="é" * 100, requester=faculty))
    assert len(sweep()[0].subject) <= 150


def test_mail_reports_a_difference_from_the_source(faculty: User, sent_mail: Any) -> None:
    job = a_job(requester=faculty)
    type(job).objects.filter(pk=job.pk).update(verification={"complete": False}, differs=True)
    succeed(job)
    assert "It differs from its source" in sweep()[0].body


def test_mail_reports_that_a_cancelled_copy_exists(administrator: User, faculty: User, sent_mail: Any) -> None:
    choose(faculty, **own(Topic.SUCCEEDED, When.NOW))
    job = a_job(State.RUNNING, requester=faculty)
    jobs.cancel(job, actor=faculty)
    succeed(job)
    assert "was cancelled too late: Moodle had already made it, and dupdash did not delete it" in sweep()[0].body


def test_mail_about_a_cancelled_and_deleted_copy_does_not_contradict_itself(
    administrator: User, faculty: User, sent_mail: Any
) -> None:
    """Moodle had made the copy, and dupdash deleted it."""
    choose(faculty, **own(Topic.CANCELLED, When.NOW))
    job = a_job(State.RUNNING, requester=faculty)
    jobs.cancel(job, actor=administrator)
    move_job(job, State.CANCELLED, kind="cancelled_copy_deleted", reason="Cancelled. Course 5 was deleted.")
    body = sweep()[0].body
    assert "was cancelled. There is no copy in Moodle." in body
    assert "No copy was made" not in body


@pytest.mark.parametrize(
    ("cancelled", "said"),
    [(False, "that page shows it."), (True, "dupdash deletes it, because it was cancelled.")],
)
def test_mail_about_an_unresolved_copy_says_what_happens_if_it_appears(
    faculty: User, sent_mail: Any, cancelled: bool, said: str
) -> None:
    lose(a_job(requester=faculty, cancel_requested_at=timezone.now() if cancelled else None))
    (message,) = [sent for sent in sweep() if faculty.email in sent.to]
    assert f"If the copy appears later, {said}" in message.body


def test_names_are_one_line_and_foreign_text_is_marked() -> None:
    assert one_line(" a\u2028b\u0085c\td\x00e ") == "a b c d e"
    assert one_line("x" * 20, 5) == "xxxx…"
    assert one_line("\ud800x") == "x"
    assert quoted("one\r\n\r\n> two\x0bthree") == "> one\n>\n> > two\n> three"


def _approved_with_hold(faculty: User, administrator: User) -> DuplicationJob:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    choose(administrator, **others(Topic.APPROVAL, When.NEVER))
    approval_actions.approve(job, actor=administrator, hold=timedelta(seconds=60))
    return job


def test_approval_is_mailed_when_it_can_no_longer_be_undone(faculty: User, administrator: User, sent_mail: Any) -> None:
    _approved_with_hold(faculty, administrator)
    assert sweep() == []
    DuplicationJob.objects.update(undo_until=timezone.now())
    assert [mail.subject for mail in sweep()] == ["[dupdash] Approved: NEW-1"]


def test_undone_approval_is_not_mailed(faculty: User, administrator: User, sent_mail: Any) -> None:
    approval_actions.undo_approval(_approved_with_hold(faculty, administrator), actor=administrator)
    assert sweep() == []
