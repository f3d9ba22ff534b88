"""Tests that the page of a waiting job names the job that it waits for, and the expected end of the wait."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_slots(settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 2


def sent(state: State, shortname: str, *, seconds: float, **columns: Any) -> DuplicationJob:
    """Create a job that was just sent. Its backup and its restore are each expected to take ``seconds``."""
    now = timezone.now()
    given: dict[str, Any] = {"sent_at": now, "expected_backup": seconds, "expected_restore": seconds}
    return a_job(state, shortname, dispatched_at=now, **(given | columns))


def page_of(client: Client, job: DuplicationJob) -> str:
    return text(client.get(f"/jobs/{job.pk}/"))


def test_copy_of_the_same_source_is_named_with_its_expected_time(as_administrator: Client) -> None:
    first = sent(State.RUNNING, "FIRST", seconds=600)
    page = page_of(as_administrator, a_job(shortname="SECOND"))
    assert f'<a href="/jobs/{first.pk}/">{first.fullname}</a>' in page
    assert "The other course is expected in Moodle at" in page
    assert (timezone.now() + timedelta(seconds=600)).strftime("%Y-%m-%dT%H:%M") in page


def test_lost_answer_is_named_with_the_time_when_it_blocks_no_longer(as_administrator: Client) -> None:
    first = sent(State.CHECKING, "FIRST", seconds=600, checking_since=timezone.now())
    page = page_of(as_administrator, a_job(shortname="SECOND"))
    assert f"/jobs/{first.pk}/" in page
    assert "This copy waits for it at most until" in page
    assert (timezone.now() + timedelta(seconds=1800)).strftime("%Y-%m-%dT%H:%M") in page


def test_copy_that_was_not_sent_yet_is_named_without_a_time(as_administrator: Client) -> None:
    first = a_job(State.RUNNING, "FIRST", dispatched_at=timezone.now())
    page = page_of(as_administrator, a_job(shortname="SECOND"))
    assert f"/jobs/{first.pk}/" in page
    assert "This copy starts when the other course appears in Moodle." in page


def test_job_whose_slot_becomes_free_first_is_named(as_administrator: Client) -> None:
    sent(State.RUNNING, "LONG", seconds=900, source_id=1)
    short = sent(State.RUNNING, "SHORT", seconds=300, source_id=2)
    page = page_of(as_administrator, a_job(shortname="NEXT", source_id=3))
    assert f"/jobs/{short.pk}/" in page
    assert "It is expected to start at" in page


def test_second_in_line_waits_for_the_second_slot(as_administrator: Client) -> None:
    long = sent(State.RUNNING, "LONG", seconds=900, source_id=1)
    sent(State.RUNNING, "SHORT", seconds=300, source_id=2)
    a_job(shortname="NEXT", source_id=3)
    assert f"/jobs/{long.pk}/" in page_of(as_administrator, a_job(shortname="LAST", source_id=4))


def test_job_of_somebody_else_is_not_named(as_faculty: Client, faculty: User) -> None:
    first = sent(State.RUNNING, "SECRET", seconds=600)
    page = page_of(as_faculty, a_job(shortname="SECOND", requester=faculty))
    assert "The other course is expected in Moodle at" in page
    assert first.pk not in page
    assert first.fullname not in page


@pytest.mark.parametrize("columns", [{"not_before": timezone.now() + timedelta(days=1)}, {"source_id": 9}])
def test_job_that_waits_for_no_other_names_none(as_administrator: Client, columns: dict[str, Any]) -> None:
    first = sent(State.RUNNING, "FIRST", seconds=600)
    assert f"/jobs/{first.pk}/" not in page_of(as_administrator, a_job(shortname="SECOND", **columns))
