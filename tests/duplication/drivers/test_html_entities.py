"""Names that hold entities: ``A&amp;B`` and ``A&B`` are two names, because names are read raw."""

from typing import Any

import pytest

from dupdash.duplication.states import State
from tests.duplication.support import Clock, Moodle, look_until_settled, reason, run_worker, story, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

# Of the sandbox: its names hold "&amp;".
ENTITIES = "ENT-&amp;"


def test_it_names_what_was_left_of_a_source_whose_name_holds_an_entity(
    moodle: Moodle, clock: Clock, settings: Any
) -> None:
    settings.WATCH_INTERVAL = 3600
    moodle.faults.set("exception_in_restore", step="renamed", errorcode="cannotrestore", count=1)
    job = look_until_settled(run_worker(submit(ENTITIES)), clock)
    (left,) = moodle.made()
    assert left.shortname == "ENT-&amp;_1"
    assert job.state == State.FAILED
    assert f"id {left.id}" in reason(job, "failed")


def test_it_tells_what_has_such_a_name_already_from_its_own_copy(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.add("ENT-&amp;_1")
    moodle.faults.set("killed_in_backup", count=1)
    job = look_until_settled(run_worker(submit(ENTITIES)), clock)
    assert (job.state, job.candidates) == (State.UNRESOLVED, [])


@pytest.mark.parametrize("lost", [True, False])
def test_it_knows_its_copy_whose_requested_names_hold_an_entity(moodle: Moodle, clock: Clock, lost: bool) -> None:
    if lost:
        moodle.faults.set("reset_after", count=1)
    job = run_worker(submit(shortname="A&amp;B-1", fullname="A &amp; B"))
    assert look_until_settled(job, clock).state == State.SUCCEEDED, story(job)
    assert moodle.made()[0].id == job.course_id
