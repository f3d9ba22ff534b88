"""Tests ``core_course_async_duplicate_course_cancel``: which jobs it cancels, for whom, and its answers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import TERMINAL, State
from dupdash.duplication.transitions_for_person import CHANGED_MEANWHILE, CannotDo
from tests.captures import capture
from tests.duplication.support import Moodle, a_job, working_on
from tests.gateway.support import CANCEL, RESULT, Caller, error

Calls = Callable[..., Caller]


@pytest.fixture
def program(calls_as: Calls, faculty: User) -> Caller:
    return calls_as(faculty, label="timetable import")


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.QUEUED])
def test_waiting_job_is_cancelled_at_once(program: Caller, faculty: User, state: State) -> None:
    job = a_job(state, requester=faculty)
    assert program(CANCEL, duplicateid=job.pk) == {"duplicateid": job.pk, "state": "cancelled"}
    event = job.events.get(kind="cancelled")
    assert (event.actor, event.via) == (faculty, "timetable import")
    assert program(RESULT, duplicateid=job.pk)["failurecode"] == "cancelled"


@pytest.mark.parametrize("state", [State.RUNNING, State.CHECKING, State.UNRESOLVED])
def test_running_job_keeps_its_state_until_its_copy_is_removed(program: Caller, faculty: User, state: State) -> None:
    job = a_job(state, requester=faculty, sent_at=timezone.now())
    for _ in range(2):
        assert program(CANCEL, duplicateid=job.pk) == {"duplicateid": job.pk, "state": state}
    job.refresh_from_db()
    assert job.cancel_requested_at is not None
    assert job.events.filter(kind="cancel_requested").count() == 1


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_ended_job_answers_its_state_and_stays_as_it_is(program: Caller, faculty: User, state: State) -> None:
    job = a_job(state, requester=faculty)
    assert program(CANCEL, duplicateid=job.pk) == {"duplicateid": job.pk, "state": state}
    assert job.events.count() == 1


@pytest.mark.django_db(transaction=True)
def test_copy_that_is_being_made_is_removed_after_cancelling(
    calls_as: Calls, administrator: User, moodle: Moodle
) -> None:
    program = calls_as(administrator)
    answer = program.copy("WS-1")
    job = DuplicationJob.objects.get()
    with moodle.held_at("renamed"), working_on(job):
        moodle.wait_for_step("renamed")
        assert program(CANCEL, **answer)["state"] == "running"
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert moodle.named("WS-1") == []
    assert program(RESULT, **answer)["courseid"] is None


def test_unknown_id_and_other_persons_id_get_the_same_error(program: Caller, colleague: User) -> None:
    job = a_job(State.QUEUED, requester=colleague)
    unknown, foreign = program(CANCEL, duplicateid="0" * 32), program(CANCEL, duplicateid=job.pk)
    assert error(unknown) == "invalidrecord"
    assert unknown == foreign
    job.refresh_from_db()
    assert job.state == State.QUEUED


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED])
def test_person_who_may_only_see_a_job_may_not_cancel_it(calls_as: Calls, help_desk: User, state: State) -> None:
    job = a_job(state)
    answer = calls_as(help_desk)(CANCEL, duplicateid=job.pk)
    assert error(answer) == "nopermissions"
    assert answer["exception"] == capture("duplicate_no_capability")["body"]["exception"]
    job.refresh_from_db()
    assert job.state == state


def test_administrator_cancels_the_job_of_another_person(calls_as: Calls, administrator: User, faculty: User) -> None:
    job = a_job(State.QUEUED, requester=faculty)
    assert calls_as(administrator)(CANCEL, duplicateid=job.pk)["state"] == "cancelled"


def test_job_that_starts_at_the_same_moment_is_cancelled(
    program: Caller, faculty: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job(State.QUEUED, requester=faculty)
    real, calls = jobs.cancel, []

    def start_first(*arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            DuplicationJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
        real(*arguments, **more)

    monkeypatch.setattr(jobs, "cancel", start_first)
    assert program(CANCEL, duplicateid=job.pk)["state"] == "running"
    job.refresh_from_db()
    assert job.cancel_requested_at is not None


def test_job_that_keeps_changing_is_reported_as_not_cancelled(
    program: Caller, faculty: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job(State.QUEUED, requester=faculty)

    def moved_on(*_: Any, **__: Any) -> None:
        raise CannotDo(CHANGED_MEANWHILE)

    monkeypatch.setattr(jobs, "cancel", moved_on)
    assert error(program(CANCEL, duplicateid=job.pk)) == "dmlwriteexception"
