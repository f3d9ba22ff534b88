"""Tests the check of a short name while a person types it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.sandbox.server import Sandbox
from tests.web.support import a_job, text

URL = "/jobs/new/check-short-name/"
# A course of the sandbox that “faculty” does not teach.
NOT_TAUGHT = 3

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("shortname", "said"),
    [
        ("NEW-1", "This short name is free."),
        ("<b>NEW", "A short name cannot contain HTML tags"),
        ("x" * 101, "A short name has at most 100 characters; this one has 101."),
        ("bio101-2026S1", "A course in Moodle already has this short name. Choose another."),
    ],
)
def test_check_reports_free_taken_and_invalid_names(
    as_faculty: Client, sandbox: Sandbox, shortname: str, said: str
) -> None:
    answer = as_faculty.get(URL, {"shortname": shortname})
    assert said in text(answer)
    assert answer["Cache-Control"] == "no-store"


def test_empty_short_name_is_not_checked(as_faculty: Client, sandbox: Sandbox) -> None:
    page = text(as_faculty.get(URL, {"shortname": " "}))
    assert "data-level" not in page


def test_job_that_reserves_the_name_is_linked(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    job = a_job(shortname="NEW-1", requester=faculty)
    assert f'href="/jobs/{job.pk}/"' in text(as_faculty.get(URL, {"shortname": "new-1"}))


def test_foreign_job_is_not_revealed(as_faculty: Client, colleague: User, sandbox: Sandbox) -> None:
    job = a_job(shortname="NEW-1", requester=colleague)
    page = text(as_faculty.get(URL, {"shortname": "NEW-1"}))
    assert "Another unfinished copy already has this short name." in page
    assert job.pk not in page


@pytest.mark.parametrize(("who", "named"), [("administrator", True), ("faculty", False)])
def test_course_with_the_name_is_named_to_administrators(
    sandbox: Sandbox, request: pytest.FixtureRequest, who: str, named: bool
) -> None:
    sandbox.state.change(NOT_TAUGHT, shortname="MERGER", fullname="Merger, confidential", visible=0)
    page = text(request.getfixturevalue(f"as_{who}").get(URL, {"shortname": "merger"}))
    assert "A course in Moodle already has this short name." in page
    assert (f"“Merger, confidential”</a> (id {NOT_TAUGHT})." in page) == named
    assert ("confidential" in page) == named


def test_check_says_that_moodle_does_not_answer(as_faculty: Client, sandbox: Sandbox) -> None:
    sandbox.stop()
    page = text(as_faculty.get(URL, {"shortname": "NEW-1"}))
    assert 'data-level="warning"' in page
    assert "The name could not be checked in Moodle." in page
