"""Tests ``core_course_async_duplicate_courses``, which starts all copies of a list or none."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.duplication.models import Batch, DuplicationJob, MoodleHealth, Origin
from dupdash.duplication.states import State
from tests.duplication.support import Moodle, a_job
from tests.gateway.support import SOURCE, STATUSES, Caller, error

MANY = "core_course_async_duplicate_courses"

pytestmark = pytest.mark.usefixtures("moodle")


@pytest.fixture
def program(calls_as: Callable[..., Caller], administrator: User) -> Caller:
    return calls_as(administrator, label="timetable import")


def course(shortname: str, **changes: Any) -> dict[str, Any]:
    return {"id": SOURCE, "fullname": f"Copy {shortname}", "shortname": shortname, "categoryid": 2} | changes


def many(program: Caller, *courses: dict[str, Any], **more: Any) -> Any:
    return program(MANY, courses=list(courses), **more)


def test_each_course_becomes_a_job_of_one_batch(program: Caller, administrator: User) -> None:
    answer = many(program, course("M-1"), course("M-2", visible=0, options=[{"users": 1}]), label="Term 2027")
    assert answer["warnings"] == []
    ids = [one["duplicateid"] for one in answer["duplicates"]]
    jobs = [DuplicationJob.objects.get(pk=job_id) for job_id in ids]
    assert [(job.shortname, job.visible, job.batch_row) for job in jobs] == [("M-1", True, 0), ("M-2", False, 1)]
    assert {job.origin for job in jobs} == {Origin.WEB_SERVICE}
    batch = Batch.objects.get()
    assert (batch.label, batch.requester, batch.mail_results) == ("Term 2027", administrator, True)
    assert jobs[0].events.get().via == "timetable import"
    assert len(program(STATUSES, duplicateids=ids)["statuses"]) == 2


@pytest.mark.parametrize(
    ("count", "label"), [(1, "1 course by timetable import"), (2, "2 courses by timetable import")]
)
def test_batch_without_a_label_is_named_after_the_token(program: Caller, count: int, label: str) -> None:
    many(program, *(course(f"M-{number}") for number in range(count)))
    assert Batch.objects.get().label == label


def test_every_fault_is_reported_with_its_index_and_nothing_is_started(program: Caller) -> None:
    a_job(State.QUEUED, "HELD")
    answer = many(
        program,
        course("M-1"),
        course("M-2", id=4711),
        course("M-3", categoryid=4711),
        course("AT&T"),
        course("held"),
        course(""),
        course("M-6", fullname="<b>x</b>"),
    )
    assert answer["duplicates"] == []
    assert [(fault["itemid"], fault["warningcode"]) for fault in answer["warnings"]] == [
        (1, "invalidcourseid"),
        (2, "invalidrecord"),
        (3, "shortnametaken"),
        (4, "shortnametaken"),
        (5, "invalidparameter"),
        (6, "invalidparameter"),
    ]
    assert DuplicationJob.objects.count() == 1
    assert not Batch.objects.exists()


def test_one_id_number_twice_is_reported_for_both(program: Caller) -> None:
    MoodleHealth.current()
    MoodleHealth.objects.update(may_update=True)
    answer = many(program, course("M-1", idnumber="N"), course("M-2", idnumber="n"), course("M-3"))
    assert [(fault["itemid"], fault["warningcode"]) for fault in answer["warnings"]] == [
        (0, "courseidnumbertaken"),
        (1, "courseidnumbertaken"),
    ]
    assert not DuplicationJob.objects.exists()


def test_one_short_name_twice_is_reported_for_both(program: Caller) -> None:
    answer = many(program, course("M-1"), course("m-1"), course("M-2"))
    assert [fault["itemid"] for fault in answer["warnings"]] == [0, 1]
    assert not DuplicationJob.objects.exists()


def test_malformed_course_is_named_by_its_index(program: Caller) -> None:
    answer = many(program, course("M-1"), course("M-2", id="seven"))
    assert error(answer) == "invalidparameter"
    assert answer["debuginfo"].startswith("courses[1]: ")
    assert error(many(program, course("M-1", options=[{"nonsense": 1}]))) == "invalidextparam"
    assert error(program(MANY, courses="x")) == "invalidparameter"


def test_repeated_call_with_a_key_answers_the_same_and_makes_nothing(program: Caller) -> None:
    first = many(program, course("M-1"), course("M-2"), idempotencykey="term")
    assert many(program, course("M-1"), course("M-2"), idempotencykey="term") == first
    assert DuplicationJob.objects.count() == 2
    for other in ([course("M-1")], [course("M-1"), course("M-3")], [course("M-1"), course("M-2"), course("M-3")]):
        assert error(many(program, *other, idempotencykey="term")) == "invalidparameter"


def test_faculty_may_only_copy_what_they_teach(calls_as: Callable[..., Caller], faculty: User) -> None:
    program = calls_as(faculty)
    answer = many(program, course("M-1"), course("M-2", id=8), course("M-3", id=4711))
    refused = [(fault["itemid"], fault["warningcode"], fault["message"]) for fault in answer["warnings"]]
    assert [one[:2] for one in refused] == [(1, "nopermissions"), (2, "nopermissions")]
    # The answer does not reveal which courses exist.
    assert refused[0][2] == refused[1][2]
    accepted = many(program, course("M-1"))
    (one,) = accepted["duplicates"]
    assert DuplicationJob.objects.get(pk=one["duplicateid"]).state == State.AWAITING_APPROVAL


def test_person_without_the_permission_to_copy_is_refused(calls_as: Callable[..., Caller], help_desk: User) -> None:
    assert error(many(calls_as(help_desk), course("M-1"))) == "nopermissions"


def test_unreachable_moodle_is_an_error_of_the_call(program: Caller, moodle: Moodle) -> None:
    moodle.stop()
    assert error(many(program, course("M-1"))) == "moodleunreachable"


def test_sources_are_looked_up_in_one_request(program: Caller, moodle: Moodle) -> None:
    many(program, *(course(f"M-{n}") for n in range(30)))
    assert moodle.called["core_course_get_categories"] == 1
    # One request for all sources, and one for each short name.
    assert moodle.called["core_course_get_courses_by_field"] == 31
