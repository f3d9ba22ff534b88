"""Tests lookups in Moodle: the baseline before a request is sent, and what one round of lookups shows."""

import time
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication.drivers.copy_evidence import CopyEvidence, ExpectedCopy, TrackedCourse
from dupdash.duplication.drivers.copy_verdict import Verdict, apply_observation, judge
from dupdash.duplication.drivers.lookup import (
    COUNTERS_MOST,
    course_due_at,
    may_look_up_requested_name,
    most_likely_temporary_name,
    observe_copy,
    take_baseline,
)
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import defaults
from tests.duplication.support import Background, Clock, Moodle, a_job, await_until

pytestmark = pytest.mark.django_db(transaction=True)

CONTENTS = "core_course_get_contents"


def names(client: MoodleClient, source: str) -> tuple[list[Any], list[Any]]:
    baseline = take_baseline(client, DuplicationJob(shortname="NEW-1", shortname_key="new-1"), source)
    return baseline["names"], baseline["present"]


def test_baseline_holds_the_first_free_name_and_two_beyond(moodle: Moodle, client_of: MoodleClient) -> None:
    assert names(client_of, "SRC") == ([f"SRC_{counter}" for counter in range(1, 4)], [])


def test_baseline_holds_the_courses_that_have_such_a_name(moodle: Moodle, client_of: MoodleClient) -> None:
    """The baseline has the courses with temporary names, even after a gap, because Moodle skips taken full names."""
    there = [moodle.add("SRC_1").id, moodle.add("src_2").id, moodle.add("SRC_4").id]
    told, present = names(client_of, "SRC")
    assert told == [f"SRC_{counter}" for counter in range(1, 6)]
    assert present == there


def test_baseline_reaches_the_highest_counter(moodle: Moodle, client_of: MoodleClient) -> None:
    taken = {f"SRC_{counter}": (moodle.course("AT&T"),) for counter in range(1, COUNTERS_MOST)}
    job = DuplicationJob(shortname="NEW-1", shortname_key="new-1")
    assert take_baseline(client_of, job, "SRC", known=taken)["names"][-1] == f"SRC_{COUNTERS_MOST}"


def test_baseline_leaves_out_names_that_sent_jobs_requested(moodle: Moodle, client_of: MoodleClient) -> None:
    """The baseline leaves out names that a sent job requested, because a lookup could break the copy of that job."""
    a_job(State.RUNNING, "src_1", sent_at=timezone.now())
    a_job(State.QUEUED, "SRC_2", source_id=7)
    assert names(client_of, "SRC")[0] == ["SRC_2", "SRC_3", "SRC_4"]


def test_likely_temporary_name_is_the_first_free_one(moodle: Moodle, client_of: MoodleClient) -> None:
    for name in ("SRC_1", "SRC_2", "SRC_4"):
        moodle.add(name)
    baseline = take_baseline(client_of, DuplicationJob(shortname="NEW-1", shortname_key="new-1"), "SRC")
    assert most_likely_temporary_name(DuplicationJob(baseline=baseline)) == ("SRC_3",)
    assert most_likely_temporary_name(DuplicationJob()) == ()


def test_long_short_name_is_cut_as_moodle_does(moodle: Moodle, client_of: MoodleClient) -> None:
    told, _ = names(client_of, "x" * 100)
    assert told[0] == "x" * 98 + "_1"
    assert {len(name) for name in told} == {100}


# --- when the requested short name may be looked up -----------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        ({"expected_backup": 100.0}, 300),
        ({"expected_backup": 1.0}, 60),
        ({"source_activities": 307}, 307),
        ({"source_activities": 5}, 60),
        ({}, 600),
    ],
)
def test_course_is_overdue_after_three_times_the_expected_backup(job: dict[str, Any], seconds: int) -> None:
    """A course is overdue after three times the expected backup, at least a minute, or by its number of activities."""
    sent = DuplicationJob(sent_at=timezone.now(), **job)
    assert sent.sent_at is not None
    assert (course_due_at(sent) - sent.sent_at).total_seconds() == seconds


def test_requested_name_is_looked_up_only_when_the_course_is_due(clock: Clock) -> None:
    job = DuplicationJob(sent_at=timezone.now())
    assert not may_look_up_requested_name(job, CopyEvidence())
    clock.forward(601)
    assert may_look_up_requested_name(job, CopyEvidence())
    looked = CopyEvidence(requested_name_at=time.time())
    assert not may_look_up_requested_name(job, looked), "a pause comes first"
    clock.forward(61)
    assert may_look_up_requested_name(job, looked)


def test_requested_name_is_looked_up_once_moodle_has_ended_the_request() -> None:
    job = DuplicationJob(sent_at=timezone.now(), moodle_done_at=timezone.now())
    assert may_look_up_requested_name(job, CopyEvidence(requested_name_at=time.time()))
    assert not may_look_up_requested_name(job, CopyEvidence(course_id=7))


@pytest.mark.parametrize(("unchanged", "may"), [(0.0, False), (61.0, True)])
def test_requested_name_is_not_looked_up_while_a_candidate_changes(clock: Clock, unchanged: float, may: bool) -> None:
    job = DuplicationJob(sent_at=timezone.now())
    clock.forward(601)
    seen = TrackedCourse(7, "SRC_1", "Source copy 1", True, 2, 0, 0, unchanged=unchanged)
    assert may_look_up_requested_name(job, CopyEvidence(courses=(seen,))) is may


# --- One round of lookups ----------------------------------------------------------------------------------------


def wish(moodle: Moodle, shortname: str = "NEW-1") -> tuple[ExpectedCopy, Background]:
    """Return a request for a copy, with a function that sends it to Moodle in the background."""
    source = moodle.course("AT&T")

    def ask() -> None:
        with open_client() as client:
            client.duplicate_course(
                source_id=source.id,
                fullname="New one",
                shortname=shortname,
                category_id=2,
                visible=True,
                options=defaults(),
            )

    return ExpectedCopy(shortname, "New one", 2, "AT&T", frozenset({source.id})), Background(ask)


def look_up(client: MoodleClient, evidence: CopyEvidence, wanted: ExpectedCopy, **rest: Any) -> CopyEvidence:
    return apply_observation(evidence, wanted, observe_copy(client, evidence, wanted, **rest))


def test_each_step_of_a_copy_is_seen(moodle: Moodle, client_of: MoodleClient) -> None:
    """Lookups show each step of a copy from its temporary name on. Later lookups use the id of the course."""
    wanted, asking = wish(moodle)
    evidence = CopyEvidence()
    seen = []
    with moodle.held_at("backup", "newborn", "hidden", "renamed", "content"), asking:
        for step in ("backup", "newborn", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            evidence = look_up(client_of, evidence, wanted, names=["AT&T_1"])
            last = evidence.candidates[-1] if evidence.candidates else None
            seen.append((judge(evidence, 60), last.shortname if last else None, bool(last and last.sections)))
            moodle.gates.release(step)
    evidence = look_up(client_of, evidence, wanted)
    assert seen == [
        (Verdict.UNSEEN, None, False),
        (Verdict.UNSEEN, None, False),
        (Verdict.UNSEEN, None, False),
        (Verdict.IN_PROGRESS, "AT&T_1", False),
        (Verdict.IN_PROGRESS, "AT&T_1", True),
    ]
    assert judge(evidence, 60) == Verdict.FINISHED
    assert moodle.calls.watched["new-1"] == 0


def test_hidden_row_and_later_contents_are_no_finished_copy(moodle: Moodle, client_of: MoodleClient) -> None:
    """The names of a hidden row with contents that were read later do not count as a finished copy."""
    wanted, asking = wish(moodle)
    with moodle.held_at("hidden", "content"), asking:
        moodle.wait_for_step("hidden")

        def go_on() -> None:
            moodle.gates.release("hidden")
            moodle.wait_for_step("content")

        moodle.when(CONTENTS, go_on)
        evidence = look_up(client_of, CopyEvidence(), wanted, requested_name=True)
        (course,) = evidence.courses
        assert course.sections > 0
        # The names are read again after the contents. Otherwise the course would wrongly count as complete.
        assert (course.shortname, course.has_names_and_contents, course.complete) == ("AT&T_1", False, False)
        assert judge(evidence, 60) == Verdict.IN_PROGRESS
        moodle.gates.release()
    assert judge(look_up(client_of, evidence, wanted), 60) == Verdict.FINISHED


def test_requested_temporary_name_does_not_prove_a_finished_copy(moodle: Moodle, client_of: MoodleClient) -> None:
    """A course with the requested name AT&T_1 is no proof of a finished copy, because this is also a temporary name."""
    wanted, asking = wish(moodle, "AT&T_1")
    evidence = CopyEvidence()
    with moodle.held_at("content"), asking:
        moodle.wait_for_step("content")
        for _ in range(3):
            evidence = look_up(client_of, evidence, wanted, requested_name=True)
        (course,) = evidence.courses
        assert course.sections > 0
        assert judge(evidence, 60) == Verdict.IN_PROGRESS
        moodle.gates.release()
    assert judge(look_up(client_of, evidence, wanted), 60) == Verdict.FINISHED


def test_course_is_gone_after_three_lookups_that_do_not_find_it(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("NEW-1", fullname="New one")
    wanted = ExpectedCopy("NEW-1", "New one", 2, "AT&T", frozenset())
    evidence = look_up(client_of, CopyEvidence(), wanted, requested_name=True)
    assert evidence.course_id == course.id
    moodle.state.delete(course.id)
    verdicts = []
    for _ in range(3):
        evidence = look_up(client_of, evidence, wanted)
        verdicts.append(judge(evidence, 60))
    assert verdicts == [Verdict.IN_PROGRESS, Verdict.IN_PROGRESS, Verdict.GONE]


def test_contents_are_read_only_where_they_decide(moodle: Moodle, client_of: MoodleClient) -> None:
    read: list[str] = []
    course = moodle.add("AT&T_1")
    wanted = ExpectedCopy("NEW-1", course.fullname, 2, "AT&T", frozenset())
    moodle.when(CONTENTS, lambda: read.append("contents"))
    evidence = look_up(client_of, CopyEvidence(), wanted, names=["AT&T_1"], contents=False)
    assert [one.id for one in evidence.candidates] == [course.id]
    assert read == []
    moodle.change(course.id, shortname="NEW-1")
    look_up(client_of, evidence, wanted, contents=False)
    await_until(lambda: read, "the contents to be read")
