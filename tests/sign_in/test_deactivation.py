"""Tests that an account loses its sessions and API tokens for ever when it is made inactive."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings
from time_machine import travel

from dupdash.accounts.models import ApiToken
from tests.conftest import PASSWORD, signed_in
from tests.gateway.support import SITE_INFO, Caller, error

pytestmark = pytest.mark.django_db


def deactivate(person: User) -> None:
    person.is_active = False
    person.save()


def activate(person: User) -> None:
    person.is_active = True
    person.save()


def test_session_ends_and_stays_ended(
    faculty: User, colleague: User, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    browser, other = signed_in(faculty), signed_in(colleague)
    assert browser.get("/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        deactivate(faculty)
    assert browser.get("/")["Location"] == "/sign-in/?next=/"
    activate(faculty)
    assert browser.get("/")["Location"] == "/sign-in/?next=/"
    assert other.get("/").status_code == 200
    assert Session.objects.count() == 1


def test_token_is_revoked_for_good(
    faculty: User, calls_as: Callable[[User], Caller], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    call = calls_as(faculty)
    assert "username" in call(SITE_INFO)
    with django_capture_on_commit_callbacks(execute=True):
        deactivate(faculty)
    assert error(call(SITE_INFO)) == "invalidtoken"
    activate(faculty)
    assert error(call(SITE_INFO)) == "invalidtoken"
    assert ApiToken.objects.get().status == "revoked"


def test_change_behind_the_signals_ends_access_too(faculty: User, calls_as: Callable[[User], Caller]) -> None:
    browser, call = signed_in(faculty), calls_as(faculty)
    User.objects.filter(pk=faculty.pk).update(is_active=False)
    assert browser.get("/")["Location"] == "/sign-in/?next=/"
    assert error(call(SITE_INFO)) == "accessexception"


def test_inactive_account_gets_the_message_of_a_wrong_password(faculty: User) -> None:
    deactivate(faculty)
    page = Client().post("/sign-in/", {"username": "faculty", "password": PASSWORD}).content.decode()
    assert "Incorrect username or password." in page


def test_session_ends_after_its_lifetime(faculty: User, settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE = 3600
    with travel("2027-01-01T12:00:00Z", tick=False) as clock:
        browser = signed_in(faculty)
        clock.shift(timedelta(minutes=59))
        assert browser.get("/").status_code == 200
        clock.shift(timedelta(minutes=2))
        assert browser.get("/")["Location"] == "/sign-in/?next=/"
