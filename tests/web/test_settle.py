"""Tests recording the result of an unresolved job on its page."""

import pytest
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.duplication.support import evidence_json
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(db: None) -> DuplicationJob:
    candidate = {"id": 7, "shortname": "SRC_1", "fullname": "Source copy 1"}
    return a_job(State.UNRESOLVED, sent_at=timezone.now(), evidence=evidence_json(candidate))


def test_form_offers_the_candidates(as_administrator: Client, job: DuplicationJob) -> None:
    page = text(as_administrator.get(f"/jobs/{job.pk}/settle/"))
    assert "It is course 7, “Source copy 1” (SRC_1)" in page
    assert "No copy was made" in page


def test_confirmation_of_a_cancelled_job_says_what_is_deleted(as_administrator: Client, job: DuplicationJob) -> None:
    address = f"/jobs/{job.pk}/settle/"
    assert "It was cancelled" not in text(as_administrator.get(address))
    DuplicationJob.objects.update(cancel_requested_at=timezone.now())
    assert "if it is proven to come from this job. Any other course stays." in text(as_administrator.get(address))


def test_candidate_is_recorded_as_the_copy(as_administrator: Client, job: DuplicationJob, sandbox: Sandbox) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "7", "reason": "I saw it being made."})
    job.refresh_from_db()
    assert (job.state, job.course_id, job.proof) == (State.SUCCEEDED, 7, "settled")
    assert "I saw it being made." in text(as_administrator.get(f"/jobs/{job.pk}/"))


def test_another_course_is_recorded_as_the_copy(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox
) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "another", "course_id": "8", "reason": "Asked."})
    job.refresh_from_db()
    assert job.course_id == 8


def test_missing_copy_is_recorded(as_administrator: Client, job: DuplicationJob, sandbox: Sandbox) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "none", "reason": "Nothing there."})
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (State.FAILED, "not_made")


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ({"course": "7"}, 422, "Enter how you know this result."),
        ({"reason": "x"}, 422, "Select the course"),
        ({"course": "another", "reason": "x"}, 422, "Enter the id of the course."),
        ({"course": "another", "course_id": "99999", "reason": "x"}, 409, "Moodle has no course with the id 99999."),
    ],
)
def test_errors_are_named_and_input_is_kept(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox, typed: dict[str, str], status: int, said: str
) -> None:
    answer = as_administrator.post(f"/jobs/{job.pk}/settle/", typed)
    assert answer.status_code == status
    assert said in text(answer)
    job.refresh_from_db()
    assert job.state == State.UNRESOLVED


def test_recorded_copy_waits_for_its_comparison(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox
) -> None:
    settled = {"course": "7", "reason": "I saw it being made."}
    page = text(as_administrator.post(f"/jobs/{job.pk}/settle/", settled, follow=True))
    assert "The copy has not been compared with its source yet." in page
    assert "Moodle did not answer" not in page
