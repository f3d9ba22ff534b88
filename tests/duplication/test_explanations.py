"""Tests the explanations of error codes, including those for jobs that left a course."""

import pytest

from dupdash.duplication.explanations import EXPLANATIONS, UNKNOWN, explain_failure
from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from dupdash.moodle.errors import ERRORCODES, NothingStarted


@pytest.mark.parametrize("code", ERRORCODES)
def test_every_error_code_of_the_table_is_explained(code: str) -> None:
    assert EXPLANATIONS[code].may_have_started is not issubclass(ERRORCODES[code], NothingStarted)


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_text_says_nothing_was_started_only_if_this_is_certain(code: str) -> None:
    explanation = EXPLANATIONS[code]
    assert explanation.means.startswith("Nothing was") is not explanation.may_have_started


def test_text_for_a_job_with_a_course_does_not_deny_a_start() -> None:
    job = DuplicationJob(state=State.FAILED, failure_code="nopermissions")
    assert not explain_failure(job).may_have_started
    job.course_id, job.proof = 9, "seen"
    assert explain_failure(job).means == UNKNOWN.means


def test_text_of_an_account_without_a_login_method_says_not_allowed() -> None:
    assert EXPLANATIONS["wsaccessusernologin"].happened.endswith("it is not allowed to sign in.")


def test_proof_by_a_person_names_the_role_and_the_action() -> None:
    assert Proof.SETTLED.label == "A course administrator recorded the result"
