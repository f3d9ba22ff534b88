"""Tests how pages show several attempts at one copy: linked on their pages, and as one row in lists."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.web.presentation.attempts import attempt_numbers
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempts(faculty: User) -> list[DuplicationJob]:
    """Three attempts at one copy. The last attempt is queued."""
    now = timezone.now()
    first = a_job(State.FAILED, requester=faculty, finished_at=now)
    second = a_job(State.FAILED, requester=faculty, finished_at=now, retry_of=first)
    third = a_job(requester=faculty, retry_of=second)
    for job in (first, second):
        job.refresh_from_db()
    return [first, second, third]


def test_retried_job_leads_to_the_latest_attempt(as_faculty: Client, attempts: list[DuplicationJob]) -> None:
    page = text(as_faculty.get(f"/jobs/{attempts[0].pk}/"))
    assert "This is attempt 1 of 3." in page
    assert f'<a href="/jobs/{attempts[2].pk}/">Go to the latest attempt</a>' in page
    # The notice is above all other content.
    assert page.index("This copy was tried again") < page.index('id="job-outcome"') < page.index('id="job-status"')


def test_retried_job_offers_no_second_retry(as_faculty: Client, attempts: list[DuplicationJob]) -> None:
    for job in attempts[:2]:
        page = text(as_faculty.get(f"/jobs/{job.pk}/"))
        assert "/retry/" not in page
        assert "?from=" not in page
    page = text(as_faculty.get(f"/jobs/{attempts[0].pk}/retry/"))
    assert "This copy was already tried again. Continue with the latest attempt." in page
    assert as_faculty.get(f"/jobs/new/?from={attempts[0].pk}").status_code == 409


def test_latest_attempt_links_the_one_before_and_needs_no_notice(
    as_faculty: Client, attempts: list[DuplicationJob]
) -> None:
    page = text(as_faculty.get(f"/jobs/{attempts[2].pk}/"))
    assert f'Attempt 3; <a href="/jobs/{attempts[1].pk}/">the previous attempt</a>' in page
    assert "This copy was tried again" not in page


def test_job_without_retries_says_nothing_about_attempts(as_faculty: Client, faculty: User) -> None:
    page = text(as_faculty.get(f"/jobs/{a_job(requester=faculty).pk}/"))
    # The text for a ticket gives the attempts of this job.
    assert "ttempt" not in page.replace("Attempts: 0", "")


def test_list_shows_only_the_latest_attempt_with_its_number(
    as_administrator: Client, attempts: list[DuplicationJob]
) -> None:
    shown = as_administrator.get("/jobs/").context["rows"]
    assert [(row.id, row.attempt) for row in shown] == [(attempts[2].pk, 3)]
    assert "attempt 3" in text(as_administrator.get("/jobs/"))
    everything = as_administrator.get("/jobs/?attempts=all").context["rows"]
    assert {row.id for row in everything} == {job.pk for job in attempts}


def test_list_finds_an_earlier_attempt_by_its_id(as_administrator: Client, attempts: list[DuplicationJob]) -> None:
    shown = as_administrator.get("/jobs/", {"q": attempts[0].pk}).context["rows"]
    assert [row.id for row in shown] == [attempts[0].pk]


def test_list_keeps_a_retried_job_that_left_a_partial_course(as_administrator: Client) -> None:
    left = a_job(State.FAILED, course_id=9, proof="seen")
    a_job(State.SUCCEEDED, retry_of=left)
    for state in ("attention", "partial"):
        assert [row.id for row in as_administrator.get(f"/jobs/?state={state}").context["rows"]] == [left.pk]


def test_attempt_numbers_are_counted_for_all_rows_at_once(
    attempts: list[DuplicationJob], django_assert_num_queries: object
) -> None:
    jobs = [*attempts, a_job(shortname="OTHER")]
    with django_assert_num_queries(2):  # type: ignore[operator]
        numbers = attempt_numbers(jobs)
    assert numbers == {attempts[1].pk: 2, attempts[2].pk: 3}
