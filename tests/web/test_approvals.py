"""Tests the page *Approvals*, and approving or refusing several requests at once."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication import approval_actions
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.moodle.options import effective
from dupdash.sandbox.server import Sandbox
from tests.conftest import make_person, signed_in
from tests.web.support import BIO101, a_job, text

pytestmark = pytest.mark.django_db

URL = "/approvals/"
DECIDE = "/approvals/decide/"


def a_request(shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    return a_job(State.AWAITING_APPROVAL, shortname, **columns)


def test_page_shows_everything_needed_to_decide(as_administrator: Client, faculty: User) -> None:
    a_request(
        requester=faculty,
        note="Same as last year.",
        category_name="Faculty of Science / 2027",
        options=effective({"users": True, "logs": True}),
        visible=False,
        not_before=timezone.now() + timedelta(days=1),
    )
    other = a_job(State.SUCCEEDED, "OTHER")
    a_job(State.CANCELLED, "NO-COPY")
    page = text(as_administrator.get(URL))
    for words in (
        "Fay Faculty",
        "faculty@example.edu",
        "Same as last year.",
        "Faculty of Science / 2027",
        "SRC · id 4711",
        "Hidden from students",
        "Scheduled for",
        "This copy includes people’s data",
        "People and their work, Enrolment methods, Logs",
        f'<a href="/jobs/{other.pk}/">OTHER</a>',
    ):
        assert words in page
    assert "NO-COPY" not in page
    assert "1 request waits for approval." in page


def test_oldest_request_comes_first(as_administrator: Client) -> None:
    now = timezone.now()
    for age in (1, 3, 2):
        a_request(f"AGE-{age}", source_id=age, created_at=now - timedelta(hours=age))
    page = text(as_administrator.get(URL))
    assert re.findall(r"(?<=<span>)AGE-\d", page) == ["AGE-3", "AGE-2", "AGE-1"]
    assert "3 requests wait for approval, the oldest first." in page


def test_page_without_requests_says_that_nothing_waits(as_administrator: Client) -> None:
    a_job()
    assert "No requests to approve" in text(as_administrator.get(URL))


def test_requests_are_paged(as_administrator: Client) -> None:
    for number in range(12):
        a_request(f"N-{number}", source_id=number, created_at=timezone.now() + timedelta(seconds=number))
    page = text(as_administrator.get(URL))
    assert 'href="?page=2"' in page
    assert "N-11" not in page
    assert "N-11" in text(as_administrator.get(f"{URL}?page=2"))


def test_navigation_counts_the_requests(as_administrator: Client, as_faculty: Client) -> None:
    a_request()
    assert '<span class="count">1<' in text(as_administrator.get("/"))
    assert 'href="/approvals/"' not in text(as_faculty.get("/"))


def test_check_reports_size_and_short_name(as_administrator: Client, sandbox: Sandbox) -> None:
    job = a_request("BIO101-2027S1", source_id=BIO101)
    page = text(as_administrator.get(f"/jobs/{job.pk}/moodle-check/"))
    assert "The source has 16 sections and 64 activities." in page
    assert "The short name is still free." in page
    assert "The copy will probably take about 10 s (rough estimate from the number of activities)." in page
    taken = a_request("BIO101-2026S1", source_id=BIO101)
    page = text(as_administrator.get(f"/jobs/{taken.pk}/moodle-check/"))
    assert "already has this short name. Choose another. The course is “Introduction to Biology”" in page


def test_check_runs_with_the_page_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    a_request("BIO101-2027S1", source_id=BIO101)
    a_request("GONE-1", source_id=99999)
    page = text(as_administrator.get(f"{URL}?check=1"))
    assert "16 sections and 64 activities" in page
    assert "The source is no longer in Moodle" in page
    assert 'href="?page=1&amp;check=1"' in text(as_administrator.get(URL))


def test_check_says_that_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    job = a_request()
    sandbox.stop()
    assert "short name could not be checked. " in text(as_administrator.get(f"/jobs/{job.pk}/moodle-check/"))
    assert "short name could not be checked. " in text(as_administrator.get(f"{URL}?check=1"))


def test_several_approvals_are_confirmed_first(as_administrator: Client, faculty: User) -> None:
    people = effective({"users": True})
    chosen = [a_request("A", requester=faculty), a_request("B", requester=faculty, options=people)]
    page = text(as_administrator.get(DECIDE, {"verb": "approve", "job": [job.pk for job in chosen]}))
    assert "Approve 2 copies?" in page
    assert "1 of them includes people’s data." in page
    assert "“Copy called A”" in page
    assert {job.state for job in DuplicationJob.objects.all()} == {State.AWAITING_APPROVAL}


def test_requests_that_somebody_else_decided_are_named(
    as_administrator: Client, administrator: User, faculty: User
) -> None:
    chosen = [a_request(name, requester=faculty) for name in ("A", "B", "C", "D")]
    bea = make_person("bea", first_name="Bea", last_name="Boss", is_superuser=True)
    approval_actions.reject(chosen[3], reason="Too many.", actor=bea)
    answer = as_administrator.post(DECIDE, {"verb": "approve", "job": [job.pk for job in chosen]}, follow=True)
    page = text(answer)
    assert answer.redirect_chain == [(URL, 303)]
    assert "“Copy called A” (A), “Copy called B” (B), “Copy called C” (C) are approved." in page
    assert "Somebody else already decided: “Copy called D” (D): refused by Bea Boss." in page
    for job in chosen[:3]:
        job.refresh_from_db()
        assert job.state == State.QUEUED
        event = job.events.get(kind="approved")
        assert event.actor == administrator


def test_several_requests_are_refused_with_one_reason(as_administrator: Client) -> None:
    chosen = [a_request("A"), a_request("B")]
    ids = [job.pk for job in chosen]
    answer = as_administrator.post(DECIDE, {"verb": "refuse", "job": ids, "reason": " "})
    assert answer.status_code == 422
    assert "Enter a reason for the requester." in text(answer)
    answer = as_administrator.post(DECIDE, {"verb": "refuse", "job": ids, "reason": "Not this term."}, follow=True)
    assert "are refused." in text(answer)
    for job in chosen:
        job.refresh_from_db()
        assert job.state == State.REJECTED
        assert job.events.get(kind="rejected").reason == "Not this term."


@pytest.mark.parametrize("given", [{}, {"verb": "approve"}, {"verb": "delete", "job": "0" * 32}, {"job": "x"}])
def test_decision_without_a_selection_reports_the_missing_selection(
    as_administrator: Client, given: dict[str, str]
) -> None:
    for answer in (
        as_administrator.get(DECIDE, given, follow=True),
        as_administrator.post(DECIDE, given, follow=True),
    ):
        assert "No request was selected." in text(answer)


def test_decided_requests_are_not_confirmed_again(as_administrator: Client) -> None:
    answer = as_administrator.get(DECIDE, {"verb": "approve", "job": a_job().pk}, follow=True)
    assert "Somebody else has already decided these requests." in text(answer)


def test_page_is_for_administrators(as_faculty: Client, as_help_desk: Client, faculty: User) -> None:
    job = a_request(requester=faculty)
    for client in (as_faculty, as_help_desk):
        assert client.get(URL).status_code == 403
        assert client.post(DECIDE, {"verb": "approve", "job": job.pk}).status_code == 403
        assert client.get(f"/jobs/{job.pk}/edit/").status_code == 403
        assert client.get(f"/jobs/{job.pk}/moodle-check/").status_code == 403
    assert signed_in(make_person("nobody")).get(URL).status_code == 403
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL
