"""``core_course_async_duplicate_course``: the same road, the same rules and the same story as the form."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication import idempotency, jobs, moodle_health
from dupdash.duplication.models import DuplicationJob, Origin
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


def test_it_answers_with_the_id_of_a_queued_job(program: Caller, administrator: User) -> None:
    answer = program.copy("WS-1", fullname="Biology & more", options=[{"users": 1}], visible=0)
    job = job_of(answer)
    assert len(job.pk) == 32
    assert (job.state, job.requester, job.origin) == (State.QUEUED, administrator, Origin.WEB_SERVICE)
    assert (job.source_id, job.fullname, job.shortname) == (SOURCE, "Biology & more", "WS-1")
    assert (job.category_id, job.visible) == (2, False)
    assert job.options == effective({"users": True})


def test_the_copy_is_visible_and_has_moodles_defaults_unless_asked_otherwise(program: Caller) -> None:
    job = job_of(program.copy())
    assert job.visible
    assert job.options == effective({})


def test_the_story_tells_which_token_it_was(program: Caller, administrator: User) -> None:
    event = job_of(program.copy()).events.get()
    assert (event.actor, event.via) == (administrator, "timetable import")


def test_it_becomes_a_course(program: Caller, moodle: Moodle) -> None:
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
def test_it_refuses_what_moodle_refuses_as_moodle_does(program: Caller, changes: Any, captured: str) -> None:
    answer = program.copy(**changes)
    answer.pop("debuginfo", None)
    assert answer == capture(captured)["body"]
    assert not DuplicationJob.objects.exists()


def test_options_that_the_site_does_not_support_are_an_invalid_parameter(program: Caller) -> None:
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
def test_what_is_missing_or_ill_typed_is_an_invalid_parameter(program: Caller, changes: Any) -> None:
    answer = program.copy(**changes)
    assert error(answer) == "invalidparameter"
    # Which one it is, Moodle tells where debugging is on.
    assert next(iter(changes)) in answer["debuginfo"]
    assert not DuplicationJob.objects.exists()


def test_of_several_faults_it_names_the_one_that_moodle_would(program: Caller) -> None:
    assert error(program.copy("AT&T", id=99999, categoryid=99)) == "invalidcourseid"
    assert error(program.copy("AT&T", categoryid=99)) == "invalidrecord"
    assert error(program.copy("AT&T", fullname="<b>", id=99999)) == "invalidparameter"


def test_an_id_is_not_taken_for_a_short_name(program: Caller, moodle: Moodle) -> None:
    moodle.add("70007")
    assert error(program.copy(id=70007)) == "invalidcourseid"


@pytest.mark.parametrize("name", ["AT&T", "at&t", " AT&T "])
def test_a_short_name_that_a_course_has_is_taken(program: Caller, name: str) -> None:
    answer = program.copy(name)
    assert error(answer) == "shortnametaken"
    assert answer["exception"] == capture("duplicate_shortname_taken")["body"]["exception"]


@pytest.mark.parametrize(("who", "named"), [("administrator", True), ("faculty", False)])
def test_the_course_that_has_a_short_name_is_named_to_those_who_see_everything(
    calls_as: Calls, moodle: Moodle, request: pytest.FixtureRequest, who: str, named: bool
) -> None:
    moodle.add("MERGER", fullname="Merger, confidential", visible=0)
    answer = calls_as(request.getfixturevalue(who)).copy("merger")
    assert error(answer) == "shortnametaken"
    assert ("Merger, confidential" in answer["debuginfo"]) == named
    assert ("Merger, confidential" in str(answer)) == named


def test_a_short_name_that_an_unfinished_job_has_is_taken(program: Caller) -> None:
    a_job(State.CHECKING, "WS-1")
    assert error(program.copy("ws-1")) == "shortnametaken"


@pytest.mark.parametrize(
    ("who", "whose", "named"),
    [("administrator", "faculty", True), ("faculty", "faculty", True), ("faculty", "colleague", False)],
)
def test_the_job_that_has_a_short_name_is_named_to_those_who_may_see_it(
    calls_as: Calls, request: pytest.FixtureRequest, who: str, whose: str, named: bool
) -> None:
    job = a_job(State.QUEUED, "WS-1", requester=request.getfixturevalue(whose))
    answer = calls_as(request.getfixturevalue(who)).copy("ws-1")
    assert error(answer) == "shortnametaken"
    assert (f"(job {job.pk}), asked for by faculty." in answer["debuginfo"]) == named
    assert (job.pk in str(answer)) == named


# --- Permissions -----------------------------------------------------------------------------------------


def test_a_faculty_token_can_do_what_faculty_can(calls_as: Calls, faculty: User) -> None:
    job = job_of(calls_as(faculty).copy())
    assert (job.requester, job.state) == (faculty, State.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    "changes", [{"id": 0}, {"options": [{"users": 1}]}], ids=["a course of somebody else", "user data"]
)
def test_a_faculty_token_can_do_no_more_than_faculty(
    calls_as: Calls, faculty: User, moodle: Moodle, changes: Any
) -> None:
    if "id" in changes:
        changes = {"id": moodle.course("NUR101-2026S1").id}
    answer = calls_as(faculty).copy(**changes)
    assert error(answer) == "nopermissions"
    assert answer["exception"] == capture("duplicate_no_capability")["body"]["exception"]
    assert not DuplicationJob.objects.exists()


@pytest.mark.parametrize("who", ["help_desk", "outsider", "colleague"])
def test_who_may_not_ask_for_copies_may_not_by_token(calls_as: Calls, request: pytest.FixtureRequest, who: str) -> None:
    assert error(calls_as(request.getfixturevalue(who)).copy()) == "nopermissions"


def test_who_may_not_ask_for_copies_learns_nothing_by_asking(calls_as: Calls, help_desk: User) -> None:
    """Not even which names and courses there are."""
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
    ids=lambda changes: " ".join(changes) or "as it should be",
)
def test_faculty_do_not_learn_by_asking_which_courses_there_are(
    calls_as: Calls, faculty: User, moodle: Moodle, settings: Any, changes: Any
) -> None:
    """Whatever else is wrong: a course that is not theirs to copy and one that there is not are refused alike."""
    settings.FACULTY_CATEGORIES = [2]
    program = calls_as(faculty)
    theirs = moodle.add("MERGER", fullname="Merger, confidential", visible=0)
    answer = program.copy(id=theirs.id, **changes)
    assert error(answer) == "nopermissions"
    assert program.copy(id=987654, **changes) == answer


def test_a_role_that_was_taken_away_is_gone_at_once(calls_as: Calls, administrator: User) -> None:
    program = calls_as(administrator)
    administrator.groups.clear()
    assert error(program.copy()) == "nopermissions"


# --- Once, however often it is sent ----------------------------------------------------------------------


def test_the_same_key_and_arguments_answer_with_the_same_id(program: Caller) -> None:
    first = program.copy(idempotencykey="2026-BIO", options=[{"blocks": 0}])
    assert program.copy(idempotencykey="2026-BIO", options=[{"name": "blocks", "value": 0}]) == first
    assert DuplicationJob.objects.count() == 1
    assert job_of(first).events.count() == 1


def test_it_answers_with_the_same_id_when_the_course_is_made(program: Caller) -> None:
    first = program.copy(idempotencykey="k")
    run_worker(job_of(first))
    assert program.copy(idempotencykey="k") == first


def test_a_key_is_known_again_after_an_approver_changed_the_copy(
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
    jobs.edit_and_approve(job, wish, actor=administrator)
    assert program.copy("WS-1", idempotencykey="k") == first
    # What the approver made of it is not what was asked for with this key.
    assert error(program.copy("WS-2027", idempotencykey="k")) == "invalidparameter"
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [{"shortname": "WS-2"}, {"fullname": "Other"}, {"categoryid": 3}, {"visible": 0}, {"options": [{"blocks": 0}]}],
)
def test_the_same_key_with_other_arguments_is_refused(program: Caller, changes: Any) -> None:
    program.copy(shortname="WS-1", fullname="One", idempotencykey="k")
    answer = program.copy(**{"shortname": "WS-1", "fullname": "One", "idempotencykey": "k"} | changes)
    assert error(answer) == "invalidparameter"
    assert "idempotencykey" in answer["debuginfo"]
    assert DuplicationJob.objects.count() == 1


def test_keys_of_two_people_are_two_keys(calls_as: Calls, administrator: User, faculty: User) -> None:
    first = calls_as(administrator).copy("WS-1", idempotencykey="k")
    assert calls_as(faculty).copy("WS-2", idempotencykey="k") != first


def test_without_a_key_the_second_call_finds_the_name_taken(program: Caller) -> None:
    program.copy()
    assert error(program.copy()) == "shortnametaken"


@pytest.mark.django_db(transaction=True)
def test_calls_that_come_at_the_same_moment_make_one_job(administrator: User) -> None:
    _, text = tokens.make(administrator, "storm")
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


def test_who_lost_the_race_gets_the_winners_id(program: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking for the key and inserting the row somebody else, with the same key, was quicker."""
    real, ids = idempotency.submitted_before, []

    def late(*arguments: Any, **more: Any) -> Any:
        if not ids:
            ids.append("")
            ids[0] = program.copy(idempotencykey="k")["duplicateid"]
            return None
        return real(*arguments, **more)

    monkeypatch.setattr(idempotency, "submitted_before", late)
    assert program.copy(idempotencykey="k")["duplicateid"] == ids[0]


# --- A Moodle that cannot be asked -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["reset_before", "bad_gateway", "html"])
def test_a_moodle_that_is_away_is_an_honest_error_and_the_call_may_be_repeated(
    program: Caller, moodle: Moodle, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0,))
    moodle.faults.add(make_fault(trouble, function="*"))
    answer = program.copy(idempotencykey="k")
    assert error(answer) == "moodleunreachable"
    assert "Nothing was started" in answer["message"]
    assert not DuplicationJob.objects.exists()
    moodle.faults.clear()
    job_of(program.copy(idempotencykey="k"))


def test_a_moodle_that_refuses_our_token_does_not_blame_the_callers(program: Caller, moodle: Moodle) -> None:
    moodle.switches.tokens_revoked = True
    assert error(program.copy()) == "moodleunreachable"


def test_while_copies_are_paused_they_are_still_taken_and_wait(program: Caller) -> None:
    moodle_health.pause(ConfigurationFault("The token was refused.", errorcode="invalidtoken"))
    job = job_of(program.copy())
    assert (job.state, job.dispatched_at) == (State.QUEUED, None)


def test_without_a_moodle_nothing_is_taken(program: Caller, settings: Any) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    assert error(program.copy()) == "moodleunreachable"


def test_asking_reveals_nothing_to_a_token_that_is_revoked(program: Caller) -> None:
    tokens.revoke(ApiToken.objects.get())
    assert error(program.copy()) == "invalidtoken"
    assert not DuplicationJob.objects.exists()
