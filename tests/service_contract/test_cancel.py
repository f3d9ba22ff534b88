"""Tests ``…_cancel`` with waiting and finished copies, and with copies of another account."""

from typing import Any

import pytest

from tests.contract.tested_server import Server, error_of
from tests.service_contract.service import CANCEL, FINISHED_ERR, UNKNOWN_ID, Service, new_shortname


def test_cancelled_copy_ends_without_a_course_and_frees_its_short_name(service: Service) -> None:
    shortname = new_shortname()
    with service.paused():
        duplicateid = service.start_one(shortname)
        answer = service.call(CANCEL, duplicateid=duplicateid)
        assert set(answer) == {"duplicateid", "state"}
        assert answer["duplicateid"] == duplicateid
        # A real server may have begun the copy in the meantime.
        assert answer["state"] in ("cancelled", "running")
        assert service.follow(duplicateid)[-1]["status"] == FINISHED_ERR
        result = service.result(duplicateid)
        assert (result["state"], result["failurecode"]) == ("cancelled", "cancelled")
        assert (result["courseid"], result["partialcourseid"]) == (None, None)
        assert result["timefinished"] is not None
        assert service.start_one(shortname) != duplicateid


def test_repeated_cancelling_answers_the_state(service: Service) -> None:
    with service.paused():
        duplicateid = service.start_one()
        service.call(CANCEL, duplicateid=duplicateid)
        service.follow(duplicateid)
        assert service.call(CANCEL, duplicateid=duplicateid)["state"] == "cancelled"


def test_finished_copy_stays_as_it_is(service: Service, finished: str) -> None:
    before = service.result(finished)
    assert service.call(CANCEL, duplicateid=finished) == {"duplicateid": finished, "state": "succeeded"}
    assert service.result(finished) == before


def test_unknown_id_cannot_be_cancelled(service: Service) -> None:
    assert error_of(service.call(CANCEL, duplicateid=UNKNOWN_ID)) == "invalidrecord"


@pytest.mark.parametrize("parameters", [{}, {"duplicateid": "a b"}, {"duplicateid": UNKNOWN_ID, "x": 1}], ids=str)
def test_invalid_parameters_are_refused(service: Service, parameters: dict[str, Any]) -> None:
    assert error_of(service.call(CANCEL, **parameters)) == "invalidparameter"


def test_copy_of_another_account_cannot_be_cancelled(service: Service, other: Server) -> None:
    with service.paused():
        duplicateid = service.start_one()
        assert error_of(other.call(CANCEL, duplicateid=duplicateid)) == "invalidrecord"
        assert service.result(duplicateid)["state"] in ("queued", "running")
