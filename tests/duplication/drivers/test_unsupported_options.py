"""Tests options that the site does not support: the form and the driver refuse them before a request is sent."""

from typing import Any

import pytest

from dupdash.duplication.driver_choice import expected_driver
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import InvalidRequest
from dupdash.duplication.states import State
from tests.duplication.support import Moodle, kinds, reason, run_worker, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

PEOPLE_WITHOUT_METHODS = {"users": True, "enrolments": False}


def count_requests(moodle: Moodle, shortname: str) -> int:
    """Return how many requests for this copy Moodle received."""
    return moodle.calls.asked[shortname.casefold()]


def test_default_options_make_a_copy(moodle: Moodle) -> None:
    job = run_worker(submit())
    assert job.state == State.SUCCEEDED
    assert moodle.course("NEW-1").enrolled == ()


def test_people_come_with_their_enrolment_methods(moodle: Moodle) -> None:
    source = moodle.course("BIO101-2026S1")
    job = run_worker(submit("BIO101-2026S1", options={"users": True, "role_assignments": True}))
    assert job.state == State.SUCCEEDED
    copy = moodle.course("NEW-1")
    assert (copy.teachers, copy.students) == (source.teachers, source.students)
    assert copy.enrolment_methods == source.enrolment_methods == ("manual", "self")


def test_refused_request_names_the_option_and_the_reason(moodle: Moodle) -> None:
    with pytest.raises(InvalidRequest) as refused:
        submit(options=PEOPLE_WITHOUT_METHODS)
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("options", "invalidparameter")
    assert problem.message.startswith("Enrolment methods (enrolments): This Moodle always copies")
    assert not DuplicationJob.objects.exists()


def test_job_is_refused_when_the_site_changed_after_the_request(moodle: Moodle) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "asynchronous"})
    job = submit(options=PEOPLE_WITHOUT_METHODS)
    run_worker(job)
    assert job.state == State.FAILED
    assert job.failure_code == "unsupported_options"
    assert "Enrolment methods (enrolments)" in job.failure_message
    assert explain(job.failure_code).means.startswith("Nothing was started")
    assert "sent" not in kinds(job)
    assert count_requests(moodle, "NEW-1") == 0


@pytest.mark.parametrize(
    ("health", "setting", "visible", "expected"),
    [
        ("", "auto", True, "synchronous"),
        ("synchronous", "auto", True, "synchronous"),
        ("asynchronous", "auto", True, "asynchronous"),
        # The proposed functions can only make visible copies.
        ("asynchronous", "auto", False, "synchronous"),
        ("asynchronous", "synchronous", True, "synchronous"),
        ("", "asynchronous", True, "asynchronous"),
        ("plugin", "auto", True, "plugin"),
        ("plugin", "auto", False, "plugin"),
        ("plugin", "synchronous", False, "synchronous"),
    ],
)
def test_driver_is_known_from_the_last_site_info(
    settings: Any, health: str, setting: str, visible: bool, expected: str
) -> None:
    settings.MOODLE_DRIVER = setting
    assert expected_driver(MoodleHealth(driver=health), visible=visible) == expected


@pytest.mark.parametrize("capability", ["moodle/backup:configure", "moodle/backup:userinfo"])
def test_missing_capability_is_named_and_nothing_is_left(moodle: Moodle, capability: str) -> None:
    moodle.switches.missing_capabilities = frozenset({capability})
    job = run_worker(submit())
    assert (job.state, job.failure_code) == (State.FAILED, "setting_locked_by_permission")
    assert capability in explain(job.failure_code).means
    assert count_requests(moodle, "NEW-1") == 1
    assert moodle.made() == []
    assert reason(job, "failed")


def test_option_that_the_backup_lacks_is_a_permanent_refusal(moodle: Moodle) -> None:
    job = submit()
    moodle.answer_once("core_course_duplicate_course", "setting_by_name_not_found", "error/setting_by_name_not_found")
    run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "setting_by_name_not_found")
    with open_client() as client:
        assert client.courses_by_shortname("NEW-1") == ()
