"""Tests the reasons for and against a candidate, which depend on how the course was found."""

from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication.candidates import reasons
from dupdash.duplication.states import State
from tests.duplication.support import a_job, evidence_json

pytestmark = pytest.mark.django_db

SEEN = {"id": 455, "shortname": "SRC_1", "fullname": "Source copy 1"}
BASELINE = {"names": ["SRC_1"], "present": []}


def _reasons(seen: dict[str, Any], **columns: Any) -> str:
    job = a_job(State.UNRESOLVED, sent_at=timezone.now(), evidence=evidence_json(SEEN | seen), **columns)
    (course,) = job.candidates
    return " ".join(reasons(job, course))


def test_reasons_name_the_temporary_name_of_a_candidate() -> None:
    text = _reasons({"renamed": True}, baseline=BASELINE)
    assert "It had a temporary name" in text
    assert "It did not have this name before the request was sent." in text
    assert "No other job copied the same source at the same time." in text


def test_reasons_name_the_requested_name_of_a_candidate_that_had_no_temporary_name() -> None:
    text = _reasons({"renamed": False, "shortname": "NEW-1", "category_id": 9}, baseline=BASELINE)
    assert "It had the requested short name" in text
    assert "It is in another category." in text
    assert "temporary name" not in text
    assert "restored" not in text


def test_reasons_do_not_mention_earlier_names_without_a_baseline() -> None:
    assert "before the request was sent" not in _reasons({"renamed": True})


def test_reasons_for_the_course_in_an_answer_name_the_answer() -> None:
    job = a_job(State.UNRESOLVED, sent_at=timezone.now(), evidence=evidence_json(SEEN) | {"answered": SEEN["id"]})
    (course,) = job.candidates
    assert reasons(job, course) == (
        "Moodle’s answer says that this course is the copy.",
        "No lookup has confirmed this.",
    )
