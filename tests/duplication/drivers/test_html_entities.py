"""Tests names with HTML entities: ``A&amp;B`` and ``A&B`` are different names, because names are read raw."""

from typing import Any

import pytest

from dupdash.duplication.states import State
from tests.duplication.support import Clock, Moodle, check_until_ended, reason, run_worker, submit, timeline_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

# A course of the sandbox whose names contain "&amp;".
ENTITIES = "ENT-&amp;"


def test_partial_course_of_a_source_with_an_entity_is_named(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = check_until_ended(run_worker(submit(ENTITIES)), clock)
    (left,) = moodle.made()
    assert left.shortname == "ENT-&amp;_1"
    assert job.state == State.FAILED
    assert f"id {left.id}" in reason(job, "failed")


def test_earlier_course_with_an_entity_is_not_the_copy(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.add("ENT-&amp;_1")
    moodle.faults.set("killed_in_backup", count=1)
    job = check_until_ended(run_worker(submit(ENTITIES)), clock)
    assert (job.state, job.candidates) == (State.UNRESOLVED, [])


@pytest.mark.parametrize("lost", [True, False])
def test_copy_with_entities_in_its_names_is_recognised(moodle: Moodle, clock: Clock, lost: bool) -> None:
    if lost:
        moodle.faults.set("reset_after", count=1)
    job = run_worker(submit(shortname="A&amp;B-1", fullname="A &amp; B"))
    assert check_until_ended(job, clock).state == State.SUCCEEDED, timeline_of(job)
    assert moodle.made()[0].id == job.course_id
