"""Tests the pages about callbacks: the URL of a token, its test, and sending a callback again."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.callbacks import sender
from dupdash.callbacks.messages import secret_of
from dupdash.callbacks.models import Callback, CallbackDefault, Delivery
from dupdash.callbacks.registration import register
from dupdash.duplication.states import State
from tests.conftest import signed_in
from tests.web.support import a_job

ADDRESS = "https://lms.example.edu/done"


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["lms.example.edu"]


@pytest.fixture
def token(administrator: User) -> ApiToken:
    return tokens.make(administrator, "night import", days=30)[0]


def test_url_is_saved_and_removed(as_administrator: Client, token: ApiToken) -> None:
    url = reverse("token_callback", args=[token.pk])
    page = as_administrator.get(url).content.decode()
    assert secret_of(token) in page
    assert "dupdash sends an HTTP request to the URL below. A job that was requested with a" in page
    as_administrator.post(url, {"address": ADDRESS})
    assert CallbackDefault.objects.get(token=token).address == ADDRESS
    as_administrator.post(url, {"address": ""})
    assert not CallbackDefault.objects.exists()


def test_url_of_a_foreign_host_is_refused(as_administrator: Client, token: ApiToken) -> None:
    answer = as_administrator.post(reverse("token_callback", args=[token.pk]), {"address": "https://evil.example.com/"})
    assert answer.status_code == 422
    assert "Ask the operator of dupdash to add it to WEBHOOK_ALLOWED_HOSTS." in answer.content.decode()
    assert not CallbackDefault.objects.exists()


def test_result_of_a_test_is_shown_and_nothing_is_saved(
    as_administrator: Client, token: ApiToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "send_test", lambda url, token: "HTTP 500")
    url = reverse("token_callback", args=[token.pk])
    page = as_administrator.post(url, {"address": ADDRESS, "test": "1"}).content.decode()
    assert "The test did not arrive." in page
    assert "HTTP 500" in page
    assert not CallbackDefault.objects.exists()


def test_token_of_somebody_else_is_not_found(token: ApiToken, faculty: User) -> None:
    url = reverse("token_callback", args=[token.pk])
    assert signed_in(faculty).get(url).status_code == 404
    assert signed_in(faculty).post(url, {"address": ADDRESS}).status_code == 404


def test_callback_is_on_the_job_page_and_sent_again(as_administrator: Client, token: ApiToken) -> None:
    job = a_job(State.SUCCEEDED, finished_at=timezone.now())
    register(job, token, ADDRESS)
    Callback.objects.update(delivery=Delivery.GIVEN_UP, attempts=20, last_result="HTTP 500")
    page = as_administrator.get(reverse("jobs:job", args=[job.pk])).content.decode()
    assert "Given up after 20 attempts: HTTP 500" in page
    Callback.objects.update(delivery=Delivery.WAITING, attempts=1, last_result="HTTP 503", due_at=timezone.now())
    page = as_administrator.get(reverse("jobs:job", args=[job.pk])).content.decode()
    assert 'Last attempt: HTTP 503</p><p class="muted">Next attempt: <time' in page
    callback = Callback.objects.get()
    as_administrator.post(reverse("jobs:send_callback_again", args=[job.pk]), {"callback": callback.pk})
    callback.refresh_from_db()
    assert callback.delivery == Delivery.WAITING


def test_callback_of_another_job_is_not_found(as_administrator: Client, token: ApiToken) -> None:
    job, other = a_job(State.SUCCEEDED), a_job(State.SUCCEEDED, shortname="OTHER")
    register(job, token, ADDRESS)
    url = reverse("jobs:send_callback_again", args=[other.pk])
    for number in (Callback.objects.get().pk, "", "x", 10**30):
        assert as_administrator.post(url, {"callback": number}).status_code == 404


def test_default_url_is_used_for_requests_that_name_none(token: ApiToken) -> None:
    CallbackDefault.objects.create(token=token, address=ADDRESS)
    job, other = a_job(State.QUEUED, shortname="A"), a_job(State.QUEUED, shortname="B")
    register(job, token, "")
    register(other, token, "https://lms.example.edu/other")
    assert Callback.objects.get(job=job).address == ADDRESS
    assert Callback.objects.get(job=other).address == "https://lms.example.edu/other"
