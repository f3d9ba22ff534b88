"""Tests the reasons for and against a candidate, which depend on how dupdash found it."""

import pytest
from django.utils import timezone

from dupdash.duplication.candidates import reasons
from dupdash.duplication.states import State
from tests.duplication.support import a_job, evidence_json

pytestmark = pytest.mark.django_db

TEMPORARY = "It has, or had, a name that Moodle gives to copies of the source while it restores them."
REQUESTED = "It has, or had, the requested short name."
ANSWERED = "Moodle’s answer names it."


@pytest.mark.parametrize(
    ("renamed", "answered", "expected"),
    [(True, None, TEMPORARY), (False, None, REQUESTED), (True, 9, ANSWERED)],
    ids=["temporary name", "requested name", "answered"],
)
def test_first_reason_says_how_the_candidate_was_found(renamed: bool, answered: int | None, expected: str) -> None:
    seen = evidence_json({"id": 9, "shortname": "NAME", "fullname": "Name", "renamed": renamed})
    job = a_job(State.FAILED, sent_at=timezone.now(), evidence=seen | {"answered": answered})
    assert reasons(job, job.candidates[0])[0] == expected


@pytest.mark.parametrize(
    ("category", "expected"),
    [(3, "It is in the requested category."), (4, "It is in another category."), (0, "It is not known in which")],
)
def test_reasons_name_a_category_only_if_it_is_known(category: int, expected: str) -> None:
    seen = evidence_json({"id": 9, "shortname": "SRC_1", "fullname": "Source copy 1", "category_id": category})
    job = a_job(State.FAILED, category_id=3, sent_at=timezone.now(), evidence=seen)
    assert any(reason.startswith(expected) for reason in reasons(job, job.candidates[0]))
