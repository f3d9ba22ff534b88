"""Tests ``…_get_status`` and ``…_get_statuses``: status codes, progress, and permissions."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job
from dupdash.gateway.status import STATUS as STATUS_OF
from tests.captures import capture
from tests.duplication.support import Clock, Moodle, a_job, working_on
from tests.gateway.support import RESULT, STATUS, STATUSES, Caller, error

Calls = Callable[..., Caller]


@pytest.fixture
def program(calls_as: Calls, faculty: User) -> Caller:
    return calls_as(faculty)


def own(state: State, faculty: User, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    return a_job(state, shortname, requester=faculty, **columns)


def sent(seconds_ago: float = 30, **columns: Any) -> dict[str, Any]:
    """Return the columns of a sent job whose backup and restore are expected to take a minute each."""
    ago = timezone.now() - timedelta(seconds=seconds_ago)
    return {"sent_at": ago, "started_at": ago, "expected_backup": 60.0, "expected_restore": 60.0} | columns


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.QUEUED])
def test_waiting_job_has_status_700(program: Caller, faculty: User, state: State) -> None:
    assert program(STATUS, duplicateid=own(state, faculty).pk) == {"phase": 1, "status": 700, "progress": 0.0}


def test_job_in_backup_is_in_phase_1(program: Caller, faculty: User) -> None:
    job = own(State.RUNNING, faculty, phase=Phase.BACKUP, **sent(30))
    answer = program(STATUS, duplicateid=job.pk)
    assert (answer["phase"], answer["status"]) == (1, 800)
    assert answer["progress"] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING])
def test_job_in_restore_is_in_phase_2(program: Caller, faculty: User, state: State) -> None:
    now = timezone.now()
    job = own(state, faculty, phase=Phase.RESTORE, **sent(90, restore_at=now - timedelta(seconds=30)))
    answer = program(STATUS, duplicateid=job.pk)
    assert (answer["phase"], answer["status"]) == (2, 800)
    assert answer["progress"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.CANCELLED, State.UNRESOLVED])
def test_job_without_a_copy_has_status_900(program: Caller, faculty: User, state: State) -> None:
    job = own(state, faculty, **sent(30, phase=Phase.RESTORE, restore_at=timezone.now(), progress_floor=0.6))
    assert program(STATUS, duplicateid=job.pk) == {"phase": 2, "status": 900, "progress": 0.6}


def test_succeeded_job_has_status_1000(program: Caller, faculty: User) -> None:
    job = own(State.SUCCEEDED, faculty, course_id=7)
    assert program(STATUS, duplicateid=job.pk) == {"phase": 2, "status": 1000, "progress": 1.0}


def test_every_state_has_a_status_code() -> None:
    assert set(STATUS_OF) == set(State)
    assert set(STATUS_OF.values()) == {700, 800, 900, 1000}


def test_progress_never_goes_backward_after_a_lost_answer(program: Caller, faculty: User, clock: Clock) -> None:
    """The progress never decreases after a lost answer: not while the job is checked, and not when it is unresolved."""
    job = own(State.RUNNING, faculty, phase=Phase.BACKUP, **sent(0))
    shown = []

    def read_progress() -> None:
        shown.append(program(STATUS, duplicateid=job.pk)["progress"])

    for _ in range(5):
        clock.forward(20)
        read_progress()
    move_job(job, State.CHECKING, kind="checking", reason="lost")
    read_progress()
    move_job(job, State.UNRESOLVED, kind="unresolved", reason="no proof")
    read_progress()
    DuplicationJob.objects.filter(pk=job.pk).update(expected_backup=None)
    read_progress()
    move_job(job, State.SUCCEEDED, kind="succeeded", reason="found")
    read_progress()
    assert shown == sorted(shown)
    assert shown[0] > 0
    assert max(shown[:-1]) < 1
    assert shown[-1] == 1


@pytest.mark.django_db(transaction=True)
def test_copy_is_followed_from_queue_to_end(calls_as: Calls, administrator: User, moodle: Moodle) -> None:
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


# --- Visibility ------------------------------------------------------------------------------------------


def test_unknown_id_and_other_persons_id_get_the_same_error(
    program: Caller, colleague: User, calls_as: Calls, help_desk: User
) -> None:
    theirs = own(State.RUNNING, colleague).pk
    for function in (STATUS, RESULT):
        unknown, foreign = program(function, duplicateid="0" * 32), program(function, duplicateid=theirs)
        assert error(unknown) == "invalidrecord"
        assert unknown == foreign
        assert unknown["exception"] == capture("unknown_function")["body"]["exception"]
    assert "exception" not in calls_as(help_desk)(STATUS, duplicateid=theirs)


def test_administrator_sees_the_status_of_every_job(calls_as: Calls, administrator: User, faculty: User) -> None:
    job = own(State.RUNNING, faculty)
    assert calls_as(administrator)(STATUS, duplicateid=job.pk)["status"] == 800


@pytest.mark.parametrize("sent", [{}, {"duplicateid": "a b"}, {"duplicateid": ["a"]}, {"duplicateid": "a", "x": 1}])
def test_invalid_parameters_are_refused(program: Caller, sent: Any) -> None:
    assert error(program(STATUS, **sent)) == "invalidparameter"


# --- Many in one call ------------------------------------------------------------------------------------


def test_statuses_come_in_the_order_of_the_ids(program: Caller, faculty: User) -> None:
    ids = [own(State.QUEUED, faculty, f"N{number}").pk for number in range(3)]
    answer = program(STATUSES, duplicateids=ids)
    assert [status["duplicateid"] for status in answer["statuses"]] == ids
    assert {key: answer["statuses"][0][key] for key in ("phase", "status", "progress")} == program(
        STATUS, duplicateid=ids[0]
    )
    assert answer["warnings"] == []


def test_unknown_ids_and_those_of_others_are_warnings(program: Caller, faculty: User, colleague: User) -> None:
    mine, theirs = own(State.QUEUED, faculty, "N1").pk, own(State.QUEUED, colleague, "N2").pk
    answer = program(STATUSES, duplicateids=["0" * 32, mine, theirs])
    assert [status["duplicateid"] for status in answer["statuses"]] == [mine]
    assert [(warning["itemid"], warning["warningcode"]) for warning in answer["warnings"]] == [
        (0, "invalidrecord"),
        (2, "invalidrecord"),
    ]
    assert all(set(warning) == {"item", "itemid", "warningcode", "message"} for warning in answer["warnings"])


def test_job_far_behind_has_the_greatest_number_of_jobs_ahead(
    program: Caller, faculty: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.gateway.status.AHEAD_MOST", 2)
    began = timezone.now() - timedelta(hours=1)
    waiting = [
        own(State.QUEUED, faculty, f"N{number}", queued_at=began + timedelta(minutes=number)) for number in range(4)
    ]
    statuses = program(STATUSES, duplicateids=[job.pk for job in waiting])["statuses"]
    assert [one["ahead"] for one in statuses] == [0, 1, 2, 2]


def test_statuses_have_times_and_the_number_of_jobs_ahead(program: Caller, faculty: User, colleague: User) -> None:
    now = timezone.now().replace(microsecond=0)
    minutes = [now - timedelta(minutes=minute) for minute in (5, 4, 3)]
    own(State.QUEUED, colleague, "N0", queued_at=minutes[0])  # not visible to the caller, but first
    waiting = [own(State.QUEUED, faculty, f"N{n}", created_at=now, queued_at=minutes[n]) for n in (2, 1)]
    running = own(
        State.RUNNING, faculty, "N3", created_at=minutes[0], queued_at=minutes[1], last_response_at=minutes[2]
    )
    statuses = program(STATUSES, duplicateids=[job.pk for job in (*waiting, running)])["statuses"]
    assert [status["ahead"] for status in statuses] == [2, 1, 0]
    assert statuses[0]["timecreated"] == statuses[0]["timemodified"] == now.timestamp()
    assert statuses[2]["timecreated"] == minutes[0].timestamp()
    assert statuses[2]["timemodified"] == minutes[2].timestamp()


def test_list_without_known_ids_has_no_statuses(program: Caller) -> None:
    assert error(program(STATUSES)) == "invalidparameter"
    assert program(STATUSES, duplicateids=["x"])["statuses"] == []


def test_number_of_queries_does_not_grow_with_the_number_of_ids(program: Caller, faculty: User) -> None:
    ids = [own(State.RUNNING, faculty, f"N{number}", source_id=number, **sent()).pk for number in range(30)]
    program(STATUS, duplicateid=ids[0])  # The first call of a minute also reserves calls in the database.
    with CaptureQueriesContext(connection) as single:
        program(STATUS, duplicateid=ids[1])
    assert len(single) == 1
    with CaptureQueriesContext(connection) as batch:
        assert len(program(STATUSES, duplicateids=ids)["statuses"]) == 30
    assert len(batch) == 3


def test_progress_of_a_running_job_stays_below_1(calls_as: Calls, administrator: User) -> None:
    job = a_job(
        State.RUNNING, driver="asynchronous", duplicate_id="x", sent_at=timezone.now(), progress_floor=0.9999999
    )
    assert calls_as(administrator)(STATUS, duplicateid=job.pk)["progress"] < 1
