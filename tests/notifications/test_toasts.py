"""Tests toasts: short messages on every page about finished copies and new requests."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dupdash.duplication import approval_actions, jobs
from dupdash.duplication.states import State
from dupdash.notifications.models import AGE_LONGEST
from tests.duplication.support import Clock, a_job
from tests.notifications.support import choose, fail, start, succeed, sweep, teaches_from_now_on

pytestmark = pytest.mark.django_db

URL = "/news/"


def ask(user: User) -> dict[str, str] | None:
    """Return the toasts that a page of this person gets now."""
    client = Client()
    client.force_login(user)
    answer = client.get(URL, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer.headers["Cache-Control"] == "no-store"
    header = answer.headers.get("HX-Trigger")
    told: dict[str, str] | None = json.loads(header)["dupdash:toast"] if header else None
    return told


def test_success_is_shown_once(faculty: User, sent_mail: Any) -> None:
    job = a_job(requester=faculty, fullname="Bio „27“\n— <b>")
    start(job)
    sweep()
    assert ask(faculty) is None
    succeed(job)
    sweep()
    assert ask(faculty) == {
        "level": "success",
        "text": "Your copy “Bio „27“ — <b>” is complete.",
        "url": f"/jobs/{job.pk}/",
    }
    assert ask(faculty) is None


def test_failure_is_shown_once(faculty: User, sent_mail: Any) -> None:
    fail(a_job(requester=faculty))
    sweep()
    told = ask(faculty)
    assert told is not None
    assert told["level"] == "danger"


def test_several_copies_share_one_message(faculty: User, sent_mail: Any) -> None:
    for number in range(3):
        succeed(a_job(requester=faculty, shortname=f"N-{number}"))
    fail(a_job(requester=faculty, shortname="BAD"))
    sweep()
    assert ask(faculty) == {
        "level": "danger",
        "text": "Your copies: 3 complete, 1 failed.",
        "url": "/",
    }


def test_only_the_last_state_of_a_copy_is_shown(administrator: User, faculty: User, sent_mail: Any) -> None:
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    sweep()
    approval_actions.approve(job, actor=administrator)
    succeed(job)
    sweep()
    told = ask(faculty)
    assert told is not None
    assert told["text"].endswith("is complete.")


def test_pending_approval_is_shown_to_administrators(
    administrator: User, faculty: User, help_desk: User, sent_mail: Any
) -> None:
    first = a_job(State.AWAITING_APPROVAL, "ONE", requester=faculty)
    second = a_job(State.AWAITING_APPROVAL, "TWO", requester=faculty)
    sweep()
    approval_actions.reject(second, reason="No.", actor=administrator)
    told = ask(administrator)
    assert told is not None
    assert told["text"] == "“Copy called ONE” waits for your approval."
    assert told["url"] == f"/jobs/{first.pk}/"
    assert ask(help_desk) is None


def test_copies_of_others_are_not_shown(faculty: User, colleague: User, administrator: User, sent_mail: Any) -> None:
    succeed(a_job(requester=faculty))
    sweep()
    assert ask(colleague) is None
    assert ask(administrator) is None


def test_copies_no_longer_visible_are_not_shown(administrator: User, faculty: User, sent_mail: Any) -> None:
    a_job(State.AWAITING_APPROVAL, fullname="Merger, confidential", requester=faculty)
    sweep()
    teaches_from_now_on(administrator)
    succeed(a_job(requester=administrator, shortname="OWN"))
    sweep()
    told = ask(administrator)
    assert told is not None
    assert told["text"] == "Your copy “Copy called OWN” is complete."
    assert ask(administrator) is None


def test_own_action_is_not_shown(faculty: User, sent_mail: Any) -> None:
    jobs.cancel(a_job(requester=faculty), actor=faculty)
    sweep()
    assert ask(faculty) is None


def test_disabled_toasts_are_not_shown(faculty: User, sent_mail: Any) -> None:
    choose(faculty, toasts=False)
    succeed(a_job(requester=faculty))
    sweep()
    assert ask(faculty) is None


def test_old_events_are_not_shown(faculty: User, sent_mail: Any, clock: Clock) -> None:
    succeed(a_job(requester=faculty))
    sweep()
    clock.forward(AGE_LONGEST.total_seconds() + 1)
    sweep()
    assert ask(faculty) is None


def test_toasts_need_one_query(faculty: User, sent_mail: Any) -> None:
    client = Client()
    client.force_login(faculty)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL)
    told = [query["sql"] for query in queries if "notifications_" in query["sql"]]
    assert len(told) == 1
    assert len(queries) <= 3


def test_every_page_polls_toasts_after_sign_in(faculty: User, client: Client) -> None:
    assert URL not in client.get("/sign-in/").content.decode()
    client.force_login(faculty)
    assert client.get("/preferences/").content.decode().count(f'hx-get="{URL}?banner=') == 1
