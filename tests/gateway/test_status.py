"""Following copies: Moodle's codes, one overall figure, and nothing about anybody else's."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from dupdash.gateway.status import STATUS as STATUS_OF
from tests.captures import capture
from tests.duplication.support import Clock, Moodle, a_job, run_worker, working_on
from tests.gateway.support import RESULT, STATUS, STATUSES, Caller, error

Calls = Callable[..., Caller]


@pytest.fixture
def program(calls_as: Calls, faculty: User) -> Caller:
    return calls_as(faculty)


def own(state: State, faculty: User, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    return a_job(state, shortname, requester=faculty, **columns)


def sent(seconds_ago: float = 30, **columns: Any) -> dict[str, Any]:
    """The columns of a job whose backup should take a minute, and its restore another."""
    ago = timezone.now() - timedelta(seconds=seconds_ago)
    return {"sent_at": ago, "started_at": ago, "expected_backup": 60.0, "expected_restore": 60.0} | columns


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.QUEUED])
def test_what_waits_is_awaiting(program: Caller, faculty: User, state: State) -> None:
    assert program(STATUS, duplicateid=own(state, faculty).pk) == {"phase": 1, "status": 700, "progress": 0.0}


def test_a_backup_is_executing_in_phase_1(program: Caller, faculty: User) -> None:
    job = own(State.RUNNING, faculty, phase=Phase.BACKUP, **sent(30))
    answer = program(STATUS, duplicateid=job.pk)
    assert (answer["phase"], answer["status"]) == (1, 800)
    assert answer["progress"] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING])
def test_a_restore_is_executing_in_phase_2(program: Caller, faculty: User, state: State) -> None:
    now = timezone.now()
    job = own(state, faculty, phase=Phase.RESTORE, **sent(90, seen_at=now, restore_at=now - timedelta(seconds=30)))
    answer = program(STATUS, duplicateid=job.pk)
    assert (answer["phase"], answer["status"]) == (2, 800)
    assert answer["progress"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.CANCELLED, State.UNRESOLVED])
def test_what_came_to_nothing_is_finished_with_an_error(program: Caller, faculty: User, state: State) -> None:
    job = own(state, faculty, **sent(30, phase=Phase.RESTORE, seen_at=timezone.now(), progress_floor=0.6))
    assert program(STATUS, duplicateid=job.pk) == {"phase": 2, "status": 900, "progress": 0.6}


def test_what_succeeded_is_done(program: Caller, faculty: User) -> None:
    job = own(State.SUCCEEDED, faculty, course_id=7)
    assert program(STATUS, duplicateid=job.pk) == {"phase": 2, "status": 1000, "progress": 1.0}


def test_every_state_has_a_code() -> None:
    assert set(STATUS_OF) == set(State)
    assert set(STATUS_OF.values()) == {700, 800, 900, 1000}


def test_progress_never_goes_backward_through_a_lost_answer(program: Caller, faculty: User, clock: Clock) -> None:
    """Also not when its job is checked, comes to nothing, and when nothing is known of its duration any more."""
    job = own(State.RUNNING, faculty, phase=Phase.BACKUP, **sent(0))
    shown = []

    def look() -> None:
        shown.append(program(STATUS, duplicateid=job.pk)["progress"])

    for _ in range(5):
        clock.forward(20)
        look()
    move_job(job, State.CHECKING, kind="checking", reason="lost")
    look()
    move_job(job, State.UNRESOLVED, kind="unresolved", reason="looked long enough")
    look()
    DuplicationJob.objects.filter(pk=job.pk).update(expected_backup=None)
    look()
    move_job(job, State.SUCCEEDED, kind="succeeded", reason="seen after all")
    look()
    assert shown == sorted(shown)
    assert shown[0] > 0
    assert max(shown[:-1]) < 1
    assert shown[-1] == 1


@pytest.mark.django_db(transaction=True)
def test_a_copy_is_followed_to_its_end(calls_as: Calls, administrator: User, moodle: Moodle) -> None:
    program = calls_as(administrator)
    answer = program.copy("WS-1")
    assert program(STATUS, **answer) == {"phase": 1, "status": 700, "progress": 0.0}
    seen = []
    with moodle.held_at("renamed"):
        worker = working_on(DuplicationJob.objects.get(pk=answer["duplicateid"]))
        worker.start()
        while not seen or seen[-1]["phase"] < 2:
            seen.append(program(STATUS, **answer))
    worker.finish()
    seen.append(program(STATUS, **answer))
    assert seen[-1] == {"phase": 2, "status": 1000, "progress": 1.0}
    for before, after in pairwise(seen):
        assert [before[key] <= after[key] for key in ("phase", "status", "progress")] == [True] * 3


# --- Whose is whose --------------------------------------------------------------------------------------


def test_an_unknown_id_and_somebody_elses_answer_alike(
    program: Caller, colleague: User, calls_as: Calls, help_desk: User
) -> None:
    theirs = own(State.RUNNING, colleague).pk
    for function in (STATUS, RESULT):
        unknown, foreign = program(function, duplicateid="0" * 32), program(function, duplicateid=theirs)
        assert error(unknown) == "invalidrecord"
        assert unknown == foreign
        assert unknown["exception"] == capture("unknown_function")["body"]["exception"]
    assert "exception" not in calls_as(help_desk)(STATUS, duplicateid=theirs)


def test_an_administrators_token_follows_every_copy(calls_as: Calls, administrator: User, faculty: User) -> None:
    job = own(State.RUNNING, faculty)
    assert calls_as(administrator)(STATUS, duplicateid=job.pk)["status"] == 800


@pytest.mark.parametrize("sent", [{}, {"duplicateid": "a b"}, {"duplicateid": ["a"]}, {"duplicateid": "a", "x": 1}])
def test_ill_typed_parameters_are_refused(program: Caller, sent: Any) -> None:
    assert error(program(STATUS, **sent)) == "invalidparameter"


# --- Many in one call ------------------------------------------------------------------------------------


def test_many_are_answered_in_one_call_in_their_order(program: Caller, faculty: User) -> None:
    ids = [own(State.QUEUED, faculty, f"N{number}").pk for number in range(3)]
    answer = program(STATUSES, duplicateids=ids)
    assert [status["duplicateid"] for status in answer["statuses"]] == ids
    assert {key: answer["statuses"][0][key] for key in ("phase", "status", "progress")} == program(
        STATUS, duplicateid=ids[0]
    )
    assert answer["warnings"] == []


def test_unknown_and_foreign_ids_are_left_out_and_warned_of(program: Caller, faculty: User, colleague: User) -> None:
    mine, theirs = own(State.QUEUED, faculty, "N1").pk, own(State.QUEUED, colleague, "N2").pk
    answer = program(STATUSES, duplicateids=["0" * 32, mine, theirs])
    assert [status["duplicateid"] for status in answer["statuses"]] == [mine]
    assert [(warning["itemid"], warning["warningcode"]) for warning in answer["warnings"]] == [
        (0, "invalidrecord"),
        (2, "invalidrecord"),
    ]
    assert all(set(warning) == {"item", "itemid", "warningcode", "message"} for warning in answer["warnings"])


def test_a_list_of_none_is_answered_with_none(program: Caller) -> None:
    assert error(program(STATUSES)) == "invalidparameter"
    assert program(STATUSES, duplicateids=["x"])["statuses"] == []


def test_a_single_call_costs_two_queries_and_a_thousand_ids_no_more_than_a_few(program: Caller, faculty: User) -> None:
    ids = [own(State.RUNNING, faculty, f"N{number}", source_id=number, **sent()).pk for number in range(30)]
    program(STATUS, duplicateid=ids[0])  # the first call of a minute is counted in the database
    with CaptureQueriesContext(connection) as single:
        program(STATUS, duplicateid=ids[1])
    assert len(single) == 2
    with CaptureQueriesContext(connection) as batch:
        assert len(program(STATUSES, duplicateids=ids)["statuses"]) == 30
    assert len(batch) == 3


# --- How it ended ----------------------------------------------------------------------------------------


def test_the_result_names_the_course(calls_as: Calls, administrator: User, moodle: Moodle) -> None:
    program = calls_as(administrator)
    answer = program.copy("WS-1")
    assert program(RESULT, **answer)["courseid"] is None
    run_worker(DuplicationJob.objects.get())
    assert program(RESULT, **answer) == {
        "duplicateid": answer["duplicateid"],
        "state": "succeeded",
        "courseid": moodle.course("WS-1").id,
        "shortname": "WS-1",
        "failurecode": None,
        "failuremessage": None,
        "partialcourseid": None,
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("report", "code", "message"),
    [
        ({"complete": False}, "differs", "The copy differs from its source."),
        (
            {"complete": False, "why_not": "The source is gone."},
            "notverified",
            "The copy could not be held against its source. The source is gone.",
        ),
    ],
)
def test_the_result_warns_of_a_copy_that_may_not_be_whole(
    program: Caller, faculty: User, report: dict[str, Any], code: str, message: str
) -> None:
    job = own(State.SUCCEEDED, faculty, course_id=470, verification=report)
    (warning,) = program(RESULT, duplicateid=job.pk)["warnings"]
    assert warning == {"item": "course", "itemid": 470, "warningcode": code, "message": message}


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("help_desk", "Course 9, “Merger, confidential”, has this short name."),
        ("faculty", "Another course has the short name by now."),
    ],
)
def test_the_result_says_why_it_failed_and_names_the_partial_course(
    calls_as: Calls, faculty: User, request: pytest.FixtureRequest, who: str, message: str
) -> None:
    """Moodle's own words may name a course that is not everybody's to know: they are for those who see all copies."""
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


def test_the_result_of_a_cancelled_copy_tells_faculty_that_it_was_cancelled(program: Caller, faculty: User) -> None:
    job = own(State.CHECKING, faculty, failure_code="x", failure_message="Course 9, “Merger, confidential”")
    move_job(job, State.CANCELLED, kind="removed", reason="Cancelled, and the copy removed.")
    assert program(RESULT, duplicateid=job.pk)["failuremessage"] == "Cancelled, and the copy removed."


def test_the_result_of_a_refused_wish_is_the_reason(program: Caller, faculty: User) -> None:
    job = own(State.AWAITING_APPROVAL, faculty)
    move_job(job, State.REJECTED, kind="rejected", reason="Use the template course.")
    answer = program(RESULT, duplicateid=job.pk)
    assert (answer["failurecode"], answer["failuremessage"]) == ("rejected", "Use the template course.")


def test_no_result_looks_like_an_error_of_moodles(program: Caller, faculty: User) -> None:
    """Clients take an answer with ``errorcode`` or ``exception`` for one; moodlepy does."""
    answer = program(RESULT, duplicateid=own(State.FAILED, faculty, failure_code="x").pk)
    assert not {"exception", "errorcode"} & set(answer)


def test_progress_is_one_only_when_it_is_done(calls_as: Calls, administrator: User) -> None:
    job = a_job(
        State.RUNNING, driver="asynchronous", duplicate_id="x", sent_at=timezone.now(), progress_floor=0.9999999
    )
    assert calls_as(administrator)(STATUS, duplicateid=job.pk)["progress"] < 1
