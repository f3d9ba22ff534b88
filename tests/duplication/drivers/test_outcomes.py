"""Tests the outcomes that drivers return for errors of Moodle."""

import pytest

from dupdash.duplication.drivers.outcomes import lost
from dupdash.moodle.errors import NoTrustworthyAnswer, UnknownRefusal


@pytest.mark.parametrize("message", ["Course is broken", "Course is broken."])
def test_lost_answer_has_no_final_period(message: str) -> None:
    assert lost(UnknownRefusal(message, errorcode="cannotrestore")).detail == "Course is broken"
    assert lost(NoTrustworthyAnswer(message)).detail == "Course is broken"
