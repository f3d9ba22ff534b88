"""Tests copies with their own dates and ID number, on a stock site and on a site with the plugin."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from dupdash.duplication import jobs
from dupdash.duplication.driver_choice import UPDATE
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import InvalidRequest
from dupdash.duplication.states import State
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check_next,
    kinds,
    reason,
    run_worker,
    serving,
    submit,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

SOURCE = "BIO101-2026S1"


def moment(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


START, END = moment(2025, 9, 15), moment(2026, 1, 31)
NEW_START, NEW_END = moment(2026, 9, 14), moment(2027, 1, 30)


@pytest.fixture
def plugin(settings: Any) -> Iterator[Moodle]:
    with serving(settings, Moodle(speed=50, plugin=True)) as moodle:
        MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "plugin"})
        yield moodle


@pytest.fixture
def stock(moodle: Moodle) -> Moodle:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "synchronous", "may_update": True})
    return moodle


def dated_source(moodle: Moodle, startdate: int = START, enddate: int = END) -> None:
    moodle.change(moodle.course(SOURCE).id, startdate=startdate, enddate=enddate)


def ended(job: DuplicationJob, clock: Clock) -> DuplicationJob:
    def settled() -> bool:
        check_next(job, clock)
        return job.state != State.RUNNING

    await_until(settled, "the site to be done")
    return job


def refused(**wish: Any) -> tuple[str, str, str]:
    with pytest.raises(InvalidRequest) as caught:
        submit(SOURCE, **wish)
    (problem,) = caught.value.problems
    return problem.field, problem.code, problem.message


def test_plugin_gets_dates_and_idnumber_with_the_start(plugin: Moodle, clock: Clock) -> None:
    dated_source(plugin)
    wish: dict[str, Any] = {"startdate": date(2026, 9, 14), "idnumber": " B-27 ", "visible": False}
    job = ended(run_worker(submit(SOURCE, **wish, options={"users": 0, "enrolments": 2})), clock)
    copy = plugin.course("NEW-1")
    assert (job.state, job.driver, job.course_id) == (State.SUCCEEDED, "plugin", copy.id)
    assert (copy.startdate, copy.enddate, copy.idnumber, copy.visible) == (NEW_START, NEW_END, "B-27", 0)
    assert copy.enrolment_methods == plugin.course(SOURCE).enrolment_methods
    assert plugin.called[UPDATE] == 0
    assert job.verification is not None
    assert job.verification["complete"]


def test_plugin_gets_a_requested_end_date(plugin: Moodle, clock: Clock) -> None:
    dated_source(plugin)
    ended(run_worker(submit(SOURCE, enddate=date(2026, 2, 28))), clock)
    assert (plugin.course("NEW-1").startdate, plugin.course("NEW-1").enddate) == (START, moment(2026, 2, 28))


def test_stock_site_sets_dates_after_the_copy(stock: Moodle) -> None:
    dated_source(stock)
    job = run_worker(submit(SOURCE, startdate=date(2026, 9, 14), idnumber="B-27"))
    copy = stock.course("NEW-1")
    assert job.state == State.SUCCEEDED
    assert (copy.startdate, copy.enddate, copy.idnumber) == (NEW_START, NEW_END, "B-27")
    assert reason(job, "settings_set") == "The start date, end date and ID number were set."
    assert job.verification is not None
    assert job.verification["complete"]


def test_single_setting_is_named_in_the_singular(stock: Moodle) -> None:
    dated_source(stock)
    job = run_worker(submit(SOURCE, idnumber="B-27"))
    assert reason(job, "settings_set") == "The ID number was set."


def test_lost_answer_to_setting_dates_is_repeated(stock: Moodle) -> None:
    dated_source(stock)
    stock.faults.set("reset_after", function=UPDATE, count=1)
    job = run_worker(submit(SOURCE, startdate=date(2026, 9, 14)))
    assert "settings_set" in kinds(job)
    assert stock.course("NEW-1").startdate == NEW_START


def test_copy_that_kept_its_dates_succeeds_and_differs(stock: Moodle) -> None:
    dated_source(stock)
    stock.answer_with(UPDATE, {"warnings": [{"warningcode": "nopermissions", "message": "Update course settings"}]})
    job = run_worker(submit(SOURCE, startdate=date(2026, 9, 14)))
    assert job.state == State.SUCCEEDED
    assert "could not be set" in reason(job, "settings_not_set")
    assert job.verification is not None
    assert not job.verification["complete"]
    assert {one["name"] for one in job.verification["settings"]} == {"startdate", "enddate"}


@pytest.mark.parametrize("wish", [{"startdate": date(2026, 9, 14)}, {"enddate": date(2026, 9, 14)}, {"idnumber": "B"}])
def test_dates_are_refused_on_a_site_that_cannot_set_them(moodle: Moodle, wish: dict[str, Any]) -> None:
    field, code, message = refused(**wish)
    assert (field, code) == (next(iter(wish)), "invalidparameter")
    assert UPDATE in message


def test_end_before_the_start_is_refused(plugin: Moodle) -> None:
    dated_source(plugin)
    assert refused(startdate=date(2026, 9, 14), enddate=date(2026, 9, 13))[:2] == ("enddate", "enddatebeforestartdate")
    assert refused(enddate=date(2025, 9, 14))[:2] == ("enddate", "enddatebeforestartdate")


def test_end_without_any_start_is_refused(plugin: Moodle) -> None:
    dated_source(plugin, startdate=0, enddate=0)
    assert refused(enddate=date(2025, 9, 14))[:2] == ("enddate", "nostartdatenoenddate")


def test_idnumber_of_a_course_or_an_unfinished_job_is_refused(plugin: Moodle) -> None:
    plugin.add("OTHER", idnumber="B-26")
    assert refused(idnumber="B-26")[:2] == ("idnumber", "courseidnumbertaken")
    submit(SOURCE, "WAITS", idnumber="B-27")
    assert refused(idnumber="b-27")[:2] == ("idnumber", "courseidnumbertaken")


@pytest.mark.parametrize("idnumber", ["x" * 101, "two\nlines"])
def test_idnumber_that_moodle_cannot_store_is_refused(plugin: Moodle, idnumber: str) -> None:
    assert refused(idnumber=idnumber)[:2] == ("idnumber", "invalidparameter")


def test_retry_requests_the_same_dates(plugin: Moodle, clock: Clock) -> None:
    plugin.faults.set("storedfilenotcreated", count=1)
    wish: dict[str, Any] = {"startdate": date(2026, 9, 14), "enddate": date(2027, 1, 30), "idnumber": "B-27"}
    job = ended(run_worker(submit(SOURCE, **wish)), clock)
    assert job.state == State.FAILED
    with open_client() as client:
        again = jobs.retry(job, actor=None, client=client)
    assert {name: getattr(again, name) for name in wish} == wish
