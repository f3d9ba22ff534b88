"""Tests the password reset by mail: it leads to a new password, and does not reveal which accounts exist."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from dupdash.accounts import password_reset
from dupdash.accounts.attempt_limits import SIGN_IN, admit
from tests.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db
NEW = "a brand new passphrase 42"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The tasks that were enqueued."""
    tasks: list[tuple[str, ...]] = []
    monkeypatch.setattr(password_reset, "enqueue", lambda cluster, task, *arguments: tasks.append((task, *arguments)))
    return tasks


def ask(client: Client, address: str) -> Any:
    return client.post("/sign-in/forgotten/", {"email": address}, HTTP_HOST="localhost")


def work(queue: list[tuple[str, ...]]) -> None:
    for _, address in queue:
        password_reset.send_reset_mails(address)


def link(settings: Settings) -> str:
    found = re.search(rf"{re.escape(settings.SITE_URL)}(/sign-in/reset/\S+)", mail.outbox[-1].body)
    assert found is not None
    return found[1]


def test_mail_leads_to_a_new_password(client: Client, faculty: User, queue: list, settings: Settings) -> None:
    settings.SITE_URL = "https://copies.example.edu/dupdash"
    old_session = signed_in(faculty)
    for _ in range(settings.SIGN_IN_ATTEMPTS_ACCOUNT):
        admit(SIGN_IN, "faculty", "192.0.2.1")
    assert ask(client, "Faculty@example.edu")["Location"] == "/sign-in/forgotten/sent/"
    work(queue)
    (sent,) = mail.outbox
    assert sent.to == ["faculty@example.edu"]
    assert sent.subject == "Set a new password for dupdash"
    assert sent.alternatives == []
    form = client.get(link(settings), follow=True)
    # The URL of the form no longer contains the secret of the mail.
    assert form.request["PATH_INFO"].endswith("/set-password/")
    assert form["Cache-Control"].startswith("max-age=0, no-cache")
    done = client.post(form.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})
    assert done["Location"] == "/sign-in/reset/done/"
    assert client.get(done["Location"]).status_code == 200
    # Other sessions of the account end, and failed attempts no longer block the account.
    assert old_session.get("/")["Location"] == "/sign-in/?next=/"
    assert client.post("/sign-in/", {"username": "faculty", "password": NEW}).status_code == 302
    assert "This link does not work" in client.get(link(settings), follow=True).content.decode()


def test_answer_is_the_same_for_every_email_address(client: Client, faculty: User, outsider: User, queue: list) -> None:
    User.objects.filter(pk=outsider.pk).update(is_active=False)
    answers = [ask(client, address) for address in ("faculty@example.edu", "nobody@example.edu", "otto@example.edu")]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/sign-in/forgotten/sent/")}
    assert len(queue) == 3
    work(queue)
    assert [sent.to for sent in mail.outbox] == [["faculty@example.edu"]]


def test_account_without_a_password_gets_no_mail(faculty: User) -> None:
    faculty.set_unusable_password()
    faculty.save()
    password_reset.send_reset_mails("faculty@example.edu")
    assert mail.outbox == []


def test_emails_to_an_email_address_are_limited_without_a_message(
    client: Client, faculty: User, queue: list, settings: Settings
):
    answers = [ask(client, "faculty@example.edu") for _ in range(settings.RESET_MAILS_ACCOUNT + 2)]
    assert {answer["Location"] for answer in answers} == {"/sign-in/forgotten/sent/"}
    assert len(queue) == settings.RESET_MAILS_ACCOUNT


def test_reset_counts_no_attempt_to_sign_in(client: Client, faculty: User, queue: list, settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS_ACCOUNT = settings.SIGN_IN_ATTEMPTS_ADDRESS = 1
    ask(client, "faculty")
    ask(client, "faculty@example.edu")
    assert client.post("/sign-in/", {"username": "faculty", "password": PASSWORD}).status_code == 302


def test_mail_leads_to_the_configured_site_only(faculty: User, settings: Settings) -> None:
    password_reset.send_reset_mails("faculty@example.edu")
    assert re.findall(r"https?://[^/\s]+", mail.outbox[0].body) == [settings.SITE_URL]


def test_weak_password_is_refused(client: Client, faculty: User, settings: Settings) -> None:
    password_reset.send_reset_mails("faculty@example.edu")
    form = client.get(link(settings), follow=True)
    answer = client.post(form.request["PATH_INFO"], {"new_password1": "12345678", "new_password2": "12345678"})
    assert "too common" in answer.content.decode()
    faculty.refresh_from_db()
    assert faculty.check_password(PASSWORD)
