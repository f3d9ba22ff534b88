import pytest
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.duplication.support import facts_of
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(db: None) -> DuplicationJob:
    candidate = {"id": 7, "shortname": "SRC_1", "fullname": "Source copy 1"}
    return a_job(State.UNRESOLVED, sent_at=timezone.now(), facts=facts_of(candidate))


def test_it_offers_the_candidates(as_administrator: Client, job: DuplicationJob) -> None:
    page = text(as_administrator.get(f"/jobs/{job.pk}/settle/"))
    assert "It is course 7, “Source copy 1” (SRC_1)" in page
    assert "No copy was made" in page


def test_it_says_what_becomes_of_the_course_of_a_cancelled_job(as_administrator: Client, job: DuplicationJob) -> None:
    address = f"/jobs/{job.pk}/settle/"
    assert "It was cancelled" not in text(as_administrator.get(address))
    DuplicationJob.objects.update(cancel_requested_at=timezone.now())
    assert "is then removed; any other one stays in Moodle" in text(as_administrator.get(address))


def test_it_settles_on_a_candidate(as_administrator: Client, job: DuplicationJob, sandbox: Sandbox) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "7", "reason": "I saw it being made."})
    job.refresh_from_db()
    assert (job.state, job.course_id, job.proof) == (State.SUCCEEDED, 7, "settled")
    assert "I saw it being made." in text(as_administrator.get(f"/jobs/{job.pk}/"))


def test_it_settles_on_another_course(as_administrator: Client, job: DuplicationJob, sandbox: Sandbox) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "another", "course_id": "8", "reason": "Asked."})
    job.refresh_from_db()
    assert job.course_id == 8


def test_it_settles_that_no_copy_was_made(as_administrator: Client, job: DuplicationJob, sandbox: Sandbox) -> None:
    as_administrator.post(f"/jobs/{job.pk}/settle/", {"course": "none", "reason": "Nothing there."})
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (State.FAILED, "not_made")


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ({"course": "7"}, 422, "Say how you know"),
        ({"reason": "x"}, 422, "Say which course it is"),
        ({"course": "another", "reason": "x"}, 422, "Give the id of the course."),
        ({"course": "another", "course_id": "99999", "reason": "x"}, 409, "Moodle has no course with the id 99999."),
    ],
)
def test_it_keeps_what_was_typed_and_says_what_is_wrong(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox, typed: dict[str, str], status: int, said: str
) -> None:
    answer = as_administrator.post(f"/jobs/{job.pk}/settle/", typed)
    assert answer.status_code == status
    assert said in text(answer)
    job.refresh_from_db()
    assert job.state == State.UNRESOLVED


def test_it_does_not_say_that_moodle_was_silent_when_nobody_asked(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox
) -> None:
    settled = {"course": "7", "reason": "I saw it being made."}
    page = text(as_administrator.post(f"/jobs/{job.pk}/settle/", settled, follow=True))
    assert "The copy has not been held against its source yet." in page
    assert "Moodle did not answer" not in page
