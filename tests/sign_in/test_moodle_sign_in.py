"""Tests the sign-in with the Moodle password: Moodle checks it, and dupdash neither stores nor logs it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dupdash.accounts import access
from dupdash.accounts.access import Role
from dupdash.accounts.models import AuditEntry
from dupdash.moodle.password_check import PasswordAnswer, check_password
from dupdash.moodle.transport import Secret, Timeouts
from dupdash.sandbox.accounts import PASSWORD as IN_MOODLE
from dupdash.sandbox.server import Sandbox
from tests.conftest import PASSWORD, make_person
from tests.moodle.conftest import serve  # noqa: F401 - a fixture
from tests.moodle.server import Server, Step, answers, http_answer, resets, sends

pytestmark = pytest.mark.django_db

Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def _by_moodle(settings: Settings, sandbox: Sandbox) -> None:
    settings.MOODLE_SIGN_IN = True


def sign_in(client: Client, username: str = "faculty", password: str = IN_MOODLE) -> Any:
    return client.post("/sign-in/", {"username": username, "password": password})


def test_account_is_made_at_the_first_sign_in(client: Client) -> None:
    assert sign_in(client, " Faculty ").status_code == 302
    person = User.objects.get()
    assert (person.username, person.email) == ("faculty", "faculty@example.edu")
    assert not person.has_usable_password()
    assert access.roles(person) == {Role.FACULTY}
    assert client.get("/jobs/new/").status_code == 200
    assert AuditEntry.objects.get(kind="signed_in").detail == "Moodle"
    client.post("/sign-out/")
    assert sign_in(client).status_code == 302
    assert User.objects.count() == 1


@pytest.mark.parametrize(("setting", "expected"), [("help_desk", {Role.HELP_DESK}), ("none", set())])
def test_role_of_new_accounts_is_a_setting(
    client: Client, settings: Settings, setting: str, expected: set[Role]
) -> None:
    settings.MOODLE_SIGN_IN_ROLE = setting
    sign_in(client)
    assert set(access.roles(User.objects.get())) == expected


@pytest.mark.parametrize(("username", "password"), [("faculty", "wrong"), ("nobody", IN_MOODLE), ("faculty", "\ud800")])
def test_wrong_password_signs_nobody_in(client: Client, username: str, password: str) -> None:
    answer = sign_in(client, username, password.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    assert "Incorrect username or password." in answer.content.decode()
    assert not User.objects.exists()


def test_password_of_a_local_account_is_never_sent_to_moodle(
    client: Client, faculty: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.accounts.moodle_sign_in.check_password", lambda *_: pytest.fail("sent"))
    assert sign_in(client, "faculty", PASSWORD).status_code == 302
    assert sign_in(Client(), "FACULTY", IN_MOODLE).status_code == 200


@pytest.mark.parametrize(("username", "email"), [("faculty", "else@example.edu"), ("else", "FACULTY@example.edu")])
def test_account_with_only_the_same_username_or_email_address_is_not_used(
    client: Client, username: str, email: str
) -> None:
    other = make_person(username, Role.ADMINISTRATOR)
    other.email = email
    other.set_unusable_password()
    other.save()
    assert sign_in(client).status_code == 200
    assert User.objects.get() == other


def test_inactive_account_cannot_sign_in(client: Client, faculty: User) -> None:
    faculty.set_unusable_password()
    faculty.is_active = False
    faculty.save()
    assert sign_in(client).status_code == 200


def test_attempts_are_limited_before_moodle_is_asked(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIGN_IN_ATTEMPTS_ACCOUNT = 1
    sign_in(client, password="wrong")
    monkeypatch.setattr("dupdash.accounts.moodle_sign_in.check_password", lambda *_: pytest.fail("asked"))
    assert sign_in(client).status_code == 429


def test_unreachable_moodle_is_named(client: Client, settings: Settings) -> None:
    settings.MOODLE_URL = "http://localhost:1"
    page = sign_in(client).content.decode()
    assert "Moodle does not answer." in page
    assert "Incorrect" not in page


def test_password_is_in_no_log_and_no_table(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sign_in(client, password="s3cret-of-fay")
    settings.MOODLE_URL = "http://localhost:1"
    sign_in(client, password="s3cret-of-fay")
    assert "s3cret-of-fay" not in caplog.text
    assert "s3cret-of-fay" not in str(list(AuditEntry.objects.values()))


def test_moodle_sign_in_is_off_by_default(client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MOODLE_SIGN_IN = False
    monkeypatch.setattr("dupdash.accounts.moodle_sign_in.check_password", lambda *_: pytest.fail("sent"))
    assert sign_in(client).status_code == 200


def test_local_passwords_may_be_off(client: Client, settings: Settings, faculty: User) -> None:
    settings.LOCAL_PASSWORDS = False
    page = client.get("/sign-in/").content.decode()
    assert "With your Moodle username and password:" in page
    assert "Forgot" not in page
    assert sign_in(client, "faculty", PASSWORD).status_code == 200


ODD: dict[str, tuple[Step, PasswordAnswer]] = {
    "a token": (answers({"token": "t", "privatetoken": None}), PasswordAnswer.RIGHT),
    "a wrong password": (answers({"errorcode": "invalidlogin"}), PasswordAnswer.WRONG),
    "no service": (answers({"errorcode": "servicenotavailable"}), PasswordAnswer.NONE),
    "both": (answers({"token": "t", "errorcode": "x"}), PasswordAnswer.NONE),
    "a list": (answers([1]), PasswordAnswer.NONE),
    "no text": (answers({"token": True}), PasswordAnswer.NONE),
    "HTML": (sends(http_answer(b"<html>")), PasswordAnswer.NONE),
    "nothing": (sends(b""), PasswordAnswer.NONE),
    "a reset": (resets(), PasswordAnswer.NONE),
    "an error": (sends(http_answer(b'{"token": "t"}', status="502 Bad Gateway")), PasswordAnswer.NONE),
    "a redirect": (
        sends(http_answer(b"", status="307 Moved", headers="Location: http://localhost:1/\r\n")),
        PasswordAnswer.NONE,
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_answer_of_login_token_is_read_strictly(serve: Serve, case: str) -> None:  # noqa: F811
    step, expected = ODD[case]
    server = serve(step)
    assert check_password(server.url, "fay", Secret("p"), "moodle_mobile_app", Timeouts(5, 5)) == expected
