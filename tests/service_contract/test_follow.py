"""Tests ``…_get_status``, ``…_get_statuses`` and ``…_get_result``: progress, many ids in one call, and results."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.contract.tested_server import Server, error_of
from tests.service_contract.service import (
    AWAITING,
    EXECUTING,
    FINISHED_OK,
    RESULT,
    STATUS,
    STATUSES,
    UNKNOWN_ID,
    Service,
    new_shortname,
)

DONE = {"phase": 2, "status": FINISHED_OK, "progress": 1}
STATUS_KEYS = {"duplicateid", "phase", "status", "progress", "ahead", "timecreated", "timemodified"}
RESULT_KEYS = {
    "duplicateid",
    "state",
    "courseid",
    "shortname",
    "failurecode",
    "failuremessage",
    "partialcourseid",
    "timecreated",
    "timestarted",
    "timefinished",
    "warnings",
}
WARNING_KEYS = {"item", "itemid", "warningcode", "message"}


def test_progress_never_goes_backward_and_ends_at_1(service: Service) -> None:
    statuses = service.follow(service.start_one())
    assert all(set(status) == {"phase", "status", "progress"} for status in statuses)
    assert statuses[-1] == DONE
    for before, after in pairwise(statuses):
        assert before["phase"] in (1, 2)
        assert before["status"] in (AWAITING, EXECUTING)
        assert 0 <= before["progress"] < 1
        assert all(before[key] <= after[key] for key in ("phase", "status", "progress")), (before, after)


def test_waiting_copy_has_status_700_and_no_result(service: Service) -> None:
    shortname = new_shortname()
    with service.paused():
        duplicateid = service.start_one(shortname)
        status = service.call(STATUS, duplicateid=duplicateid)
        result = service.result(duplicateid)
    # A real server may have begun the copy in the meantime.
    assert (status["phase"], status["status"]) in ((1, AWAITING), (1, EXECUTING), (2, EXECUTING))
    assert result["state"] in ("queued", "running")
    assert result["duplicateid"] == duplicateid
    assert result["shortname"] == shortname
    assert [result[key] for key in ("courseid", "failurecode", "failuremessage", "partialcourseid")] == [None] * 4
    assert result["timefinished"] is None


def test_result_of_a_finished_copy_names_its_course(service: Service, finished: str) -> None:
    result = service.result(finished)
    assert set(result) >= RESULT_KEYS
    # The documentation names the optional keys.
    assert set(result) - RESULT_KEYS <= {"report"}
    assert result["state"] == "succeeded"
    assert isinstance(result["courseid"], int)
    assert result["courseid"] != service.source
    assert [result[key] for key in ("failurecode", "failuremessage", "partialcourseid")] == [None] * 3
    assert 0 < result["timecreated"] <= result["timestarted"] <= result["timefinished"]
    assert all(set(warning) == WARNING_KEYS for warning in result["warnings"])
    if "report" in result:
        assert result["report"]["sourcecourseid"] == service.source
        assert result["report"]["courseid"] == result["courseid"]


def test_null_is_marked_in_xml(service: Service, finished: str) -> None:
    response = service.server.post(RESULT, {"duplicateid": finished})
    value = ElementTree.fromstring(response.content).find("./SINGLE/KEY[@name='failurecode']/VALUE")
    assert value is not None
    assert value.get("null") == "null"


def test_statuses_come_in_the_order_of_the_ids(service: Service, finished: str) -> None:
    with service.paused():
        waiting = [service.start_one() for _ in range(2)]
        ids = [waiting[1], finished, waiting[0], finished]
        answer = service.call(STATUSES, duplicateids=ids)
    assert set(answer) >= {"statuses", "warnings"}
    assert set(answer) - {"statuses", "warnings"} <= {"cron"}
    assert [status["duplicateid"] for status in answer["statuses"]] == ids
    assert answer["warnings"] == []
    for status in answer["statuses"]:
        assert set(status) == STATUS_KEYS
        assert status["ahead"] >= 0
        assert 0 < status["timecreated"] <= status["timemodified"]
    assert {key: answer["statuses"][1][key] for key in DONE} == DONE
    assert answer["statuses"][1]["ahead"] == 0
    assert answer["statuses"][1]["timecreated"] == service.result(finished)["timecreated"]


def test_unknown_ids_are_left_out_with_a_warning(service: Service, finished: str) -> None:
    answer = service.call(STATUSES, duplicateids=[UNKNOWN_ID, finished, "no-such-id"])
    assert [status["duplicateid"] for status in answer["statuses"]] == [finished]
    assert all(set(warning) == WARNING_KEYS for warning in answer["warnings"])
    found = [(warning["item"], warning["itemid"], warning["warningcode"]) for warning in answer["warnings"]]
    assert found == [("duplicateid", 0, "invalidrecord"), ("duplicateid", 2, "invalidrecord")]


@pytest.mark.parametrize("function", [STATUS, RESULT])
def test_unknown_id_is_refused(service: Service, function: str) -> None:
    assert error_of(service.call(function, duplicateid=UNKNOWN_ID)) == "invalidrecord"


@pytest.mark.parametrize("function", [STATUS, RESULT])
@pytest.mark.parametrize("parameters", [{}, {"duplicateid": "a b"}, {"duplicateid": ["a"]}, {"x": 1}], ids=str)
def test_invalid_id_is_refused(service: Service, function: str, parameters: dict[str, Any]) -> None:
    assert error_of(service.call(function, **parameters)) == "invalidparameter"


@pytest.mark.parametrize("parameters", [{}, {"duplicateids": "a"}, {"duplicateids": ["a b"]}], ids=str)
def test_invalid_list_of_ids_is_refused(service: Service, parameters: dict[str, Any]) -> None:
    assert error_of(service.call(STATUSES, **parameters)) == "invalidparameter"


@pytest.mark.parametrize("function", [STATUS, RESULT])
def test_id_of_another_account_is_unknown(service: Service, other: Server, finished: str, function: str) -> None:
    foreign, unknown = (other.call(function, duplicateid=id) for id in (finished, UNKNOWN_ID))
    assert error_of(foreign) == "invalidrecord"
    assert foreign == unknown


def test_statuses_leave_out_ids_of_another_account(service: Service, other: Server, finished: str) -> None:
    answer = other.call(STATUSES, duplicateids=[finished])
    assert answer["statuses"] == []
    assert [warning["warningcode"] for warning in answer["warnings"]] == ["invalidrecord"]
