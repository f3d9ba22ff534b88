"""Tests ``core_course_async_duplicate_course``, with the same checks, permissions and events as the request form."""

import threading
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication import approval_actions, idempotency, moodle_health
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import Draft, prepare
from dupdash.duplication.states import State
from dupdash.moodle.errors import ConfigurationFault
from dupdash.moodle.options import effective
from dupdash.sandbox.faults import make_fault
from tests.captures import capture
from tests.duplication.support import Moodle, a_job, run_worker
from tests.gateway.support import RESULT, SOURCE, STATUS, Caller, error

Calls = Callable[..., Caller]

pytestmark = pytest.mark.usefixtures("moodle")


@pytest.fixture
def program(calls_as: Calls, administrator: User) -> Caller:
    return calls_as(administrator, label="timetable import")


def job_of(answer: Any) -> DuplicationJob:
    assert set(answer) == {"duplicateid"}, answer
    return DuplicationJob.objects.get(pk=answer["duplicateid"])


def test_start_answers_with_the_id_of_a_queued_job(program: Caller, administrator: User) -> None:
    answer = program.copy("WS-1", fullname="Biology & more", options=[{"users": 1}], visible=0)
    job = job_of(answer)
    assert len(job.pk) == 32
    assert (job.state, job.requester, job.origin) == (State.QUEUED, administrator, Origin.WEB_SERVICE)
    assert (job.source_id, job.fullname, job.shortname) == (SOURCE, "Biology & more", "WS-1")
    assert (job.category_id, job.visible) == (2, False)
    assert job.options == effective({"users": True})


def test_copy_is_visible_and_has_the_default_options(program: Caller) -> None:
    job = job_of(program.copy())
    assert job.visible
    assert job.options == effective({})


def test_timestamps_are_calendar_dates_of_the_site(program: Caller, settings: Any) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "plugin"})
    settings.MOODLE_TIME_ZONE = "Europe/Berlin"
    midnight = int(datetime(2026, 9, 14, tzinfo=ZoneInfo("Europe/Berlin")).timestamp())
    wish = {"startdate": midnight, "enddate": midnight + 86_400, "idnumber": "B-27", "idempotencykey": "x"}
    job = job_of(program.copy("WS-1", **wish))
    assert (job.startdate, job.enddate, job.idnumber) == (date(2026, 9, 14), date(2026, 9, 15), "B-27")
    assert job_of(program.copy("WS-1", **wish)) == job
    assert error(program.copy("WS-1", **wish | {"idnumber": "B-28"})) == "invalidparameter"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"startdate": 0}, "invalidparameter"),
        ({"startdate": "soon"}, "invalidparameter"),
        ({"enddate": 10**10}, "invalidparameter"),
        ({"idnumber": "x" * 101}, "invalidparameter"),
        ({"startdate": 2 * 10**9, "enddate": 10**9}, "enddatebeforestartdate"),
    ],
    ids=str,
)
def test_invalid_date_or_idnumber_is_refused(program: Caller, changes: dict[str, Any], code: str) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "plugin"})
    assert error(program.copy("WS-1", **changes)) == code


def test_dates_are_refused_where_the_site_cannot_set_them(program: Caller) -> None:
    assert error(program.copy("WS-1", startdate=2 * 10**9)) == "invalidparameter"


def test_event_names_the_label_of_the_token(program: Caller, administrator: User) -> None:
    event = job_of(program.copy()).events.get()
    assert (event.actor, event.via) == (administrator, "timetable import")


@pytest.mark.django_db(transaction=True)
def test_started_job_makes_a_course(program: Caller, moodle: Moodle) -> None:
    answer = program.copy("WS-1")
    assert run_worker(job_of(answer)).state == State.SUCCEEDED
    assert program(STATUS, **answer) == {"phase": 2, "status": 1000, "progress": 1.0}
    assert program(RESULT, **answer)["courseid"] == moodle.course("WS-1").id


@pytest.mark.parametrize(
    ("changes", "captured"),
    [
        ({"fullname": None}, "duplicate_missing_param"),
        ({"fullname": "<b>x</b>"}, "duplicate_name_with_tags"),
        ({"fullname": "x" * 255}, "duplicate_name_too_long"),
        ({"id": 99999}, "duplicate_invalid_course"),
        ({"id": 1}, "duplicate_site_course"),
        ({"categoryid": 99}, "duplicate_invalid_category"),
        ({"options": [{"name": "users", "value": 7}]}, "duplicate_bad_option_value"),
        ({"options": [{"name": "bogus", "value": 1}]}, "duplicate_unknown_option"),
    ],
)
def test_invalid_request_gets_the_same_error_as_from_moodle(program: Caller, changes: Any, captured: str) -> None:
    answer = program.copy(**changes)
    answer.pop("debuginfo", None)
    assert answer == capture(captured)["body"]
    assert not DuplicationJob.objects.exists()


def test_unsupported_options_are_an_invalid_parameter(program: Caller) -> None:
    answer = program.copy(options=[{"users": 1, "enrolments": 0}])
    assert error(answer) == "invalidparameter"
    assert answer["debuginfo"].startswith("options: Enrolment methods (enrolments): This Moodle always copies")
    assert not DuplicationJob.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": "AT&T"},
        {"shortname": None},
        {"shortname": ""},
        {"shortname": "  "},
        {"fullname": ""},
        {"fullname": "two\nlines"},
        {"categoryid": None},
        {"visible": 2},
        {"idempotencykey": "x" * 256},
        {"courseid": 5},
    ],
)
def test_missing_or_malformed_parameter_is_refused_by_name(program: Caller, changes: Any) -> None:
    answer = program.copy(**changes)
    assert error(answer) == "invalidparameter"
    # Moodle names the parameter if debugging is on.
    assert next(iter(changes)) in answer["debuginfo"]
    assert not DuplicationJob.objects.exists()


def test_first_of_several_problems_is_the_one_moodle_names(program: Caller) -> None:
    assert error(program.copy("AT&T", id=99999, categoryid=99)) == "invalidcourseid"
    assert error(program.copy("AT&T", categoryid=99)) == "invalidrecord"
    assert error(program.copy("AT&T", fullname="<b>", id=99999)) == "invalidparameter"


def test_unknown_id_is_not_looked_up_as_a_short_name(program: Caller, moodle: Moodle) -> None:
    moodle.add("70007")
    assert error(program.copy(id=70007)) == "invalidcourseid"


@pytest.mark.parametrize("name", ["AT&T", "at&t", " AT&T "])
def test_short_name_of_a_course_is_taken(program: Caller, name: str) -> None:
    answer = program.copy(name)
    assert error(answer) == "shortnametaken"
    assert answer["exception"] == capture("duplicate_shortname_taken")["body"]["exception"]


@pytest.mark.parametrize(("who", "named"), [("administrator", True), ("faculty", False)])
def test_only_administrators_learn_which_course_has_the_name(
    calls_as: Calls, moodle: Moodle, request: pytest.FixtureRequest, who: str, named: bool
) -> None:
    moodle.add("MERGER", fullname="Merger, confidential", visible=0)
    answer = calls_as(request.getfixturevalue(who)).copy("merger")
    assert error(answer) == "shortnametaken"
    assert ("Merger, confidential" in answer["debuginfo"]) == named
    assert ("Merger, confidential" in str(answer)) == named


def test_short_name_of_an_unfinished_job_is_taken(program: Caller) -> None:
    a_job(State.CHECKING, "WS-1")
    assert error(program.copy("ws-1")) == "shortnametaken"


@pytest.mark.parametrize(
    ("who", "whose", "named"),
    [("administrator", "faculty", True), ("faculty", "faculty", True), ("faculty", "colleague", False)],
)
def test_job_with_the_short_name_is_named_if_the_caller_may_see_it(
    calls_as: Calls, request: pytest.FixtureRequest, who: str, whose: str, named: bool
) -> None:
    job = a_job(State.QUEUED, "WS-1", requester=request.getfixturevalue(whose))
    answer = calls_as(request.getfixturevalue(who)).copy("ws-1")
    assert error(answer) == "shortnametaken"
    assert (f"(job {job.pk}), requested by Fay Faculty." in answer["debuginfo"]) == named
    assert (job.pk in str(answer)) == named


# --- Permissions -----------------------------------------------------------------------------------------


def test_faculty_token_starts_a_job_that_awaits_approval(calls_as: Calls, faculty: User) -> None:
    job = job_of(calls_as(faculty).copy())
    assert (job.requester, job.state) == (faculty, State.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    "changes", [{"id": 0}, {"options": [{"users": 1}]}], ids=["course of another teacher", "user data"]
)
def test_faculty_token_has_only_the_permissions_of_faculty(
    calls_as: Calls, faculty: User, moodle: Moodle, changes: Any
) -> None:
    if "id" in changes:
        changes = {"id": moodle.course("NUR101-2026S1").id}
    answer = calls_as(faculty).copy(**changes)
    assert error(answer) == "nopermissions"
    assert answer["exception"] == capture("duplicate_no_capability")["body"]["exception"]
    assert not DuplicationJob.objects.exists()


@pytest.mark.parametrize("who", ["help_desk", "outsider", "colleague"])
def test_person_who_may_not_request_copies_is_refused(
    calls_as: Calls, request: pytest.FixtureRequest, who: str
) -> None:
    assert error(calls_as(request.getfixturevalue(who)).copy()) == "nopermissions"


def test_refused_person_does_not_learn_which_courses_exist(calls_as: Calls, help_desk: User) -> None:
    """A person who may not request copies gets the same error for taken short names and for unknown courses."""
    program = calls_as(help_desk)
    assert error(program.copy("AT&T")) == error(program.copy(id=99999)) == "nopermissions"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shortname": "AT&T"},
        {"fullname": "<b>"},
        {"categoryid": 99},
        {"categoryid": 3},
        {"options": [{"users": 1}]},
    ],
    ids=lambda changes: " ".join(changes) or "valid",
)
def test_faculty_do_not_learn_which_courses_exist(
    calls_as: Calls, faculty: User, moodle: Moodle, settings: Any, changes: Any
) -> None:
    """Faculty get the same error for a course of another teacher and for an unknown course, whatever else is wrong."""
    settings.FACULTY_CATEGORIES = [2]
    program = calls_as(faculty)
    theirs = moodle.add("MERGER", fullname="Merger, confidential", visible=0)
    answer = program.copy(id=theirs.id, **changes)
    assert error(answer) == "nopermissions"
    assert program.copy(id=987654, **changes) == answer


def test_removed_role_takes_effect_at_once(calls_as: Calls, administrator: User) -> None:
    program = calls_as(administrator)
    administrator.groups.clear()
    assert error(program.copy()) == "nopermissions"


# --- Idempotency keys ------------------------------------------------------------------------------------


def test_same_key_and_arguments_answer_with_the_same_id(program: Caller) -> None:
    first = program.copy(idempotencykey="2026-BIO", options=[{"blocks": 0}])
    assert program.copy(idempotencykey="2026-BIO", options=[{"name": "blocks", "value": 0}]) == first
    assert DuplicationJob.objects.count() == 1
    assert job_of(first).events.count() == 1


def test_same_key_answers_with_the_same_id_after_the_copy(program: Caller) -> None:
    first = program.copy(idempotencykey="k")
    run_worker(job_of(first))
    assert program.copy(idempotencykey="k") == first


def test_key_is_still_known_after_an_approver_changed_the_copy(
    calls_as: Calls, faculty: User, administrator: User
) -> None:
    program = calls_as(faculty)
    first = program.copy("WS-1", idempotencykey="k")
    job = job_of(first)
    changed = Draft(
        source=str(SOURCE),
        fullname="Another name",
        shortname="WS-2027",
        category_id=3,
        visible=False,
        options={"blocks": False},
    )
    with open_client() as client:
        wish = prepare(changed, Origin.WEB_SERVICE, client, ignore_job=job)
    approval_actions.edit_and_approve(job, wish, actor=administrator)
    assert program.copy("WS-1", idempotencykey="k") == first
    # The changed request differs from the request that was sent with this key.
    assert error(program.copy("WS-2027", idempotencykey="k")) == "invalidparameter"
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [{"shortname": "WS-2"}, {"fullname": "Other"}, {"categoryid": 3}, {"visible": 0}, {"options": [{"blocks": 0}]}],
)
def test_same_key_with_other_arguments_is_refused(program: Caller, changes: Any) -> None:
    program.copy(shortname="WS-1", fullname="One", idempotencykey="k")
    answer = program.copy(**{"shortname": "WS-1", "fullname": "One", "idempotencykey": "k"} | changes)
    assert error(answer) == "invalidparameter"
    assert "idempotencykey" in answer["debuginfo"]
    assert DuplicationJob.objects.count() == 1


def test_two_people_can_use_the_same_key(calls_as: Calls, administrator: User, faculty: User) -> None:
    first = calls_as(administrator).copy("WS-1", idempotencykey="k")
    assert calls_as(faculty).copy("WS-2", idempotencykey="k") != first


def test_second_call_without_a_key_finds_the_name_taken(program: Caller) -> None:
    program.copy()
    assert error(program.copy()) == "shortnametaken"


@pytest.mark.django_db(transaction=True)
def test_simultaneous_calls_with_one_key_make_one_job(administrator: User) -> None:
    _, text = tokens.make(administrator, "parallel")
    together = threading.Barrier(4)
    answers = []

    def ask() -> None:
        from django.db import connection

        together.wait()
        answers.append(Caller(Client(), text).copy(idempotencykey="k"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.get("duplicateid") for answer in answers} == {DuplicationJob.objects.get().pk}


def test_call_that_loses_a_race_gets_the_id_of_the_winner(program: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call gets the id of an existing job if another call with the same key creates the job at the same time."""
    real, ids = idempotency.job_with_key, []

    def late(*arguments: Any, **more: Any) -> Any:
        if not ids:
            ids.append("")
            ids[0] = program.copy(idempotencykey="k")["duplicateid"]
            return None
        return real(*arguments, **more)

    monkeypatch.setattr(idempotency, "job_with_key", late)
    assert program.copy(idempotencykey="k")["duplicateid"] == ids[0]


# --- Moodle is not available -----------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["reset_before", "bad_gateway", "html"])
def test_unreachable_moodle_is_an_error_and_the_call_can_be_repeated(
    program: Caller, moodle: Moodle, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))
    moodle.faults.add(make_fault(trouble, function="*"))
    answer = program.copy(idempotencykey="k")
    assert error(answer) == "moodleunreachable"
    assert "Nothing was started" in answer["message"]
    assert not DuplicationJob.objects.exists()
    moodle.faults.clear()
    job_of(program.copy(idempotencykey="k"))


def test_refused_moodle_token_is_not_reported_as_invalidtoken(program: Caller, moodle: Moodle) -> None:
    moodle.switches.tokens_revoked = True
    assert error(program.copy()) == "moodleunreachable"


def test_job_is_accepted_and_waits_while_copies_are_paused(program: Caller) -> None:
    moodle_health.pause(ConfigurationFault("The token was refused.", errorcode="invalidtoken"))
    job = job_of(program.copy())
    assert (job.state, job.dispatched_at) == (State.QUEUED, None)


def test_no_job_is_accepted_without_a_configured_moodle(program: Caller, settings: Any) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    assert error(program.copy()) == "moodleunreachable"


def test_revoked_token_is_refused_and_makes_no_job(program: Caller) -> None:
    tokens.revoke(ApiToken.objects.get())
    assert error(program.copy()) == "invalidtoken"
    assert not DuplicationJob.objects.exists()
