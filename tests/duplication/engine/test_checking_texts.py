"""Tests the sentences in which checking names the courses that may be the copy: one, several or none."""

import pytest

from dupdash.duplication.drivers.copy_evidence import CopyEvidence, TrackedCourse
from dupdash.duplication.engine import checking
from dupdash.duplication.states import State
from tests.duplication.support import a_job, reason

pytestmark = pytest.mark.django_db


def seen(*ids: int, own: int | None = None) -> CopyEvidence:
    """Return evidence about courses with temporary names. ``own``: the proven one."""
    courses = [TrackedCourse(id, f"SRC_{id}", f"Source copy {id}", True, 2, 0.0, 0.0, renamed=True) for id in ids]
    return CopyEvidence(course_id=own, courses=tuple(courses))


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ((5,), "This course no longer changes and is probably the partial course of the copy: id 5."),
        (
            (5, 6),
            "These courses no longer change, and one is probably the partial course of the copy: id 5, id 6.",
        ),
    ],
)
def test_failure_names_one_candidate_or_several(ids: tuple[int, ...], said: str) -> None:
    job = a_job(State.CHECKING)
    checking._fail_with_candidates(job, seen(*ids), None)
    assert said in reason(job, "failed")


@pytest.mark.parametrize(("ids", "them"), [((5,), "it"), ((5, 6), "them")])
def test_failure_after_an_error_names_one_candidate_or_several(ids: tuple[int, ...], them: str) -> None:
    job = a_job(State.CHECKING, request_error="cannotrestore")
    checking._fail_after_error(job, seen(*ids), None)
    assert reason(job, "failed").endswith(f" A course administrator should check {them}.")


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (seen(), "No course that could be the copy was found. "),
        (seen(5), "Course that may be the copy: id 5. "),
        (seen(5, 6), "Courses that may be the copy: id 5, id 6. "),
        (seen(5, own=5), "Course 5 comes from this job, but is not complete. "),
    ],
)
def test_unresolved_job_names_the_courses_that_were_seen(evidence: CopyEvidence, said: str) -> None:
    job = a_job(State.CHECKING, answered_checks=1, checks=2)
    checking._give_up(job, evidence, None)
    found = "and found no proof that the copy was made, nor that it was not made."
    assert f"{found} {said}dupdash keeps checking" in reason(job, "unresolved")
    assert reason(job, "unresolved").startswith("dupdash checked once whether Moodle has a course called ")


def test_unresolved_job_says_that_moodle_did_not_answer() -> None:
    job = a_job(State.CHECKING, checks=2)
    checking._give_up(job, seen(), None)
    assert reason(job, "unresolved").startswith("dupdash checked 2 times whether Moodle has a course called ")
    assert ", but Moodle did not answer. So there is no proof" in reason(job, "unresolved")
