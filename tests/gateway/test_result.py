"""Tests ``core_course_async_duplicate_course_get_result``, which returns the new course or the error."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.duplication.models import DuplicationJob, Proof
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from tests.duplication.support import Moodle, a_job, run_worker
from tests.gateway.support import RESULT, Caller

Calls = Callable[..., Caller]


@pytest.fixture
def program(calls_as: Calls, faculty: User) -> Caller:
    return calls_as(faculty)


def own(state: State, faculty: User, **columns: Any) -> DuplicationJob:
    return a_job(state, requester=faculty, **columns)


@pytest.mark.django_db(transaction=True)
def test_result_of_a_finished_copy_names_its_course(calls_as: Calls, administrator: User, moodle: Moodle) -> None:
    program = calls_as(administrator)
    answer = program.copy("WS-1")
    waiting = program(RESULT, **answer)
    assert (waiting["state"], waiting["courseid"], waiting["timestarted"]) == ("queued", None, None)
    job = run_worker(DuplicationJob.objects.get())
    assert job.started_at is not None
    assert job.finished_at is not None
    assert program(RESULT, **answer) == {
        "duplicateid": answer["duplicateid"],
        "state": "succeeded",
        "courseid": moodle.course("WS-1").id,
        "shortname": "WS-1",
        "failurecode": None,
        "failuremessage": None,
        "partialcourseid": None,
        "timecreated": int(job.created_at.timestamp()),
        "timestarted": int(job.started_at.timestamp()),
        "timefinished": int(job.finished_at.timestamp()),
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("report", "code", "message"),
    [
        ({"complete": False}, "differs", "The copy differs from its source."),
        (
            {"complete": False, "why_not": "The source is gone."},
            "notverified",
            "The copy could not be compared with its source. The source is gone.",
        ),
    ],
)
def test_result_warns_of_a_copy_that_differs_or_was_not_verified(
    program: Caller, faculty: User, report: dict[str, Any], code: str, message: str
) -> None:
    job = own(State.SUCCEEDED, faculty, course_id=470, verification=report)
    (warning,) = program(RESULT, duplicateid=job.pk)["warnings"]
    assert warning == {"item": "course", "itemid": 470, "warningcode": code, "message": message}


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("help_desk", "Course 9, “Merger, confidential”, has this short name."),
        ("faculty", "Another course has the short name now."),
    ],
)
def test_result_of_a_failed_copy_has_reason_and_partial_course(
    calls_as: Calls, faculty: User, request: pytest.FixtureRequest, who: str, message: str
) -> None:
    """The result of a failed copy has the reason. Only people who see all copies also get Moodle's message."""
    job = own(
        State.FAILED,
        faculty,
        failure_code="shortnametaken",
        failure_message="Course 9, “Merger, confidential”, has this short name.",
        course_id=9,
        proof=Proof.SEEN,
    )
    answer = calls_as(request.getfixturevalue(who))(RESULT, duplicateid=job.pk)
    assert (answer["state"], answer["failurecode"], answer["failuremessage"]) == ("failed", "shortnametaken", message)
    assert (answer["courseid"], answer["partialcourseid"]) == (None, 9)


def test_result_of_a_cancelled_copy_says_that_it_was_cancelled(program: Caller, faculty: User) -> None:
    job = own(State.CHECKING, faculty, request_error="x", failure_message="Course 9, “Merger, confidential”")
    move_job(job, State.CANCELLED, kind="cancelled_copy_deleted", reason="Cancelled, and the copy removed.")
    assert program(RESULT, duplicateid=job.pk)["failuremessage"] == "Cancelled, and the copy removed."


def test_result_of_a_rejected_request_has_the_reason(program: Caller, faculty: User) -> None:
    job = own(State.AWAITING_APPROVAL, faculty)
    move_job(job, State.REJECTED, kind="rejected", reason="Use the template course.")
    answer = program(RESULT, duplicateid=job.pk)
    assert (answer["failurecode"], answer["failuremessage"]) == ("rejected", "Use the template course.")


def test_result_of_a_failed_copy_does_not_look_like_an_error(program: Caller, faculty: User) -> None:
    """The result of a failed copy has no key ``errorcode`` or ``exception``, which clients treat as a failed call."""
    answer = program(RESULT, duplicateid=own(State.FAILED, faculty, failure_code="x").pk)
    assert not {"exception", "errorcode"} & set(answer)
