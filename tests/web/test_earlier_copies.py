"""Tests that the request form warns of an earlier copy of the same course to the same term."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, BIOLOGY_2027, a_job, form, text

pytestmark = pytest.mark.django_db

URL = "/jobs/new/"
NOTICE = "This course was already copied to this term"
OTHER_CATEGORY = 10


def _earlier(requester: User, **columns: Any) -> DuplicationJob:
    given: dict[str, Any] = {
        "source_id": BIO101,
        "category_id": BIOLOGY_2027,
        "requester": requester,
        "created_at": timezone.now() - timedelta(days=3),
    }
    state = columns.pop("state", State.SUCCEEDED)
    return a_job(state, columns.pop("shortname", "ROLLED-OVER"), **(given | columns))


def _preview(client: Client, **asked: Any) -> str:
    given = {"source": BIO101, "category": BIOLOGY_2027, "shortname": "BIO101-NEW", "activities": "1"} | asked
    return text(client.get(f"{URL}preview/", {name: value for name, value in given.items() if value is not None}))


def test_preview_shows_when_and_by_whom_with_a_link(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    earlier = _earlier(faculty)
    page = _preview(as_administrator)
    assert NOTICE in page
    assert f'<a href="/jobs/{earlier.pk}/">Copy called ROLLED-OVER</a>' in page
    assert "requested by Fay Faculty on <time" in page
    assert earlier.created_at.strftime("%-d %b %Y") in page


def test_job_of_another_person_is_mentioned_without_names(
    as_faculty: Client, colleague: User, sandbox: Sandbox
) -> None:
    earlier = _earlier(colleague)
    page = _preview(as_faculty)
    assert "Requested by somebody else on <time" in page
    assert earlier.pk not in page
    assert "ROLLED-OVER" not in page
    assert "Nadia" not in page


@pytest.mark.parametrize(
    ("columns", "asked"),
    [
        ({}, {"shortname": "ANYTHING"}),
        ({"category_id": 99, "shortname": "BIO101-2027S1"}, {"shortname": "BIO101-2027S1-2"}),
        ({"category_id": 99, "fullname": "Biology, Fall 2027"}, {"fullname": "Biology (Fall 2027)"}),
        ({"state": State.QUEUED}, {}),
        ({"state": State.AWAITING_APPROVAL}, {}),
    ],
    ids=["category", "short name", "full name", "queued", "awaiting approval"],
)
def test_same_term_is_the_same_category_or_the_same_term_in_a_name(
    as_administrator: Client, faculty: User, sandbox: Sandbox, columns: dict[str, Any], asked: dict[str, Any]
) -> None:
    _earlier(faculty, **columns)
    assert NOTICE in _preview(as_administrator, **asked)


@pytest.mark.parametrize(
    "columns",
    [
        {"source_id": 8},
        {"category_id": 99, "shortname": "BIO101-2026S2"},
        {"state": State.FAILED},
        {"state": State.CANCELLED},
        {"course_deleted_at": timezone.now()},
    ],
    ids=["another source", "another term", "failed", "cancelled", "deleted"],
)
def test_other_copies_are_not_mentioned(
    as_administrator: Client, faculty: User, sandbox: Sandbox, columns: dict[str, Any]
) -> None:
    _earlier(faculty, **columns)
    assert NOTICE not in _preview(as_administrator, shortname="BIO101-2027S1")


def test_second_request_is_made_only_after_a_tick(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    _earlier(faculty)
    answer = as_administrator.post(URL, form(note="Hello"))
    page = text(answer)
    assert answer.status_code == 422
    assert answer.context["form"].errors["again"]
    assert f"{NOTICE}</p>" in page
    assert 'name="again" id="id_again" hx-preserve value="1">' in page
    assert "Hello</textarea>" in page
    assert DuplicationJob.objects.count() == 1
    assert as_administrator.post(URL, form(again="1")).status_code == 303
    assert DuplicationJob.objects.count() == 2


def test_tick_survives_a_new_preview(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    _earlier(faculty)
    assert 'id="id_again" hx-preserve value="1" checked' in _preview(as_administrator, again="1")


def test_more_copies_than_are_listed_are_counted(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    for number in range(5):
        _earlier(faculty, shortname=f"ROLLED-OVER-{number}")
    page = _preview(as_administrator)
    assert "and 2 more" in page
    assert "ROLLED-OVER-4" in page
    assert "ROLLED-OVER-0" not in page


def test_retry_of_a_failed_copy_needs_no_tick(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    failed = _earlier(faculty, state=State.FAILED)
    assert as_administrator.post(f"{URL}?from={failed.pk}", form()).status_code == 303
