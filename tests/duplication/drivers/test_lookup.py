"""Looks at Moodle: the baseline before sending, and what one look shows."""

from typing import Any

import pytest

from dupdash.duplication.drivers.copy_tracker import (
    CopyEvidence,
    CourseSnapshot,
    ExpectedCopy,
    Verdict,
    apply_observation,
    judge,
)
from dupdash.duplication.drivers.lookup import most_likely_temporary_name, observe_copy, take_baseline
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import defaults
from tests.duplication.support import Background, Moodle, await_until

CONTENTS = "core_course_get_contents"


def names(moodle: Moodle, client: MoodleClient, source: str) -> tuple[list[Any], list[Any]]:
    baseline = take_baseline(client, source)
    return baseline["names"], baseline["present"]


def test_it_remembers_the_first_free_name_and_five_beyond(moodle: Moodle, client_of: MoodleClient) -> None:
    assert names(moodle, client_of, "SRC") == ([f"SRC_{counter}" for counter in range(1, 7)], [])


def test_it_remembers_what_has_such_a_name_already(moodle: Moodle, client_of: MoodleClient) -> None:
    """Moodle skips a number whose full name is taken, so that there may be gaps."""
    there = [moodle.add("SRC_1").id, moodle.add("src_2").id, moodle.add("SRC_4").id]
    told, present = names(moodle, client_of, "SRC")
    assert told == [f"SRC_{counter}" for counter in range(1, 9)]
    assert present == there


def test_it_knows_which_name_restore_will_most_likely_take(moodle: Moodle, client_of: MoodleClient) -> None:
    for name in ("SRC_1", "SRC_2", "SRC_4"):
        moodle.add(name)
    assert most_likely_temporary_name(DuplicationJob(baseline=take_baseline(client_of, "SRC"))) == ("SRC_3",)
    assert most_likely_temporary_name(DuplicationJob()) == ()


def test_it_cuts_a_long_short_name_as_moodle_does(moodle: Moodle, client_of: MoodleClient) -> None:
    told, _ = names(moodle, client_of, "x" * 100)
    assert told[0] == "x" * 98 + "_1"
    assert {len(name) for name in told} == {100}


# --- one look -----------------------------------------------------------------------------------------------


def wish(moodle: Moodle, shortname: str = "NEW-1") -> tuple[ExpectedCopy, Background]:
    """What is wanted, and somebody who asks Moodle for it."""
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


def test_it_shows_each_step_of_a_copy(moodle: Moodle, client_of: MoodleClient) -> None:
    wanted, asking = wish(moodle)
    facts = CopyEvidence()
    seen = []
    with moodle.held_at("backup", "hidden", "renamed", "content"), asking:
        for step in ("backup", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted, temporary=["AT&T_1"]))
            seen.append((judge(facts, 60), facts.last.shortname if facts.last else None, facts.sections > 0))
            moodle.gates.release(step)
    facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted))
    assert seen == [
        (Verdict.UNSEEN, None, False),
        (Verdict.GOING_ON, "NEW-1", False),
        (Verdict.GOING_ON, "AT&T_1", False),
        (Verdict.GOING_ON, "AT&T_1", True),
    ]
    assert judge(facts, 60) == Verdict.FINISHED


@pytest.mark.parametrize("known", [True, False], ids=["seen before", "seen by this look"])
def test_it_does_not_take_the_hidden_row_s_names_and_later_contents_for_a_finished_copy(
    moodle: Moodle, client_of: MoodleClient, known: bool
) -> None:
    """The contents are asked for after the names, and a busy Moodle takes its time: the restore has gone on."""
    wanted, asking = wish(moodle)
    facts = CopyEvidence()
    with moodle.held_at("hidden", "content"), asking:
        moodle.wait_for_step("hidden")
        if known:
            facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted, contents=False))
            assert facts.last is not None
            assert facts.last.shortname == "NEW-1"

        def go_on() -> None:
            moodle.gates.release("hidden")
            moodle.wait_for_step("content")

        moodle.when(CONTENTS, go_on)
        facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted))
        assert facts.sections > 0
        assert facts.last is not None
        # By what was read last, or a person is told that it looks complete, and after an error it is taken for that.
        assert (facts.last.shortname, facts.has_all, facts.complete) == ("AT&T_1", False, False)
        assert judge(facts, 60) == Verdict.GOING_ON
        moodle.gates.release()
    assert judge(apply_observation(facts, wanted, observe_copy(client_of, facts, wanted)), 60) == Verdict.FINISHED


def test_it_does_not_take_restore_s_own_name_for_the_requested_one(moodle: Moodle, client_of: MoodleClient) -> None:
    """Somebody asked for AT&T_1, which is what restore calls a copy of AT&T while it works."""
    wanted, asking = wish(moodle, "AT&T_1")
    facts = CopyEvidence()
    with moodle.held_at("hidden", "content"), asking:
        moodle.wait_for_step("hidden")
        facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted))
        assert facts.course_id is not None
        moodle.gates.release("hidden")
        moodle.wait_for_step("content")
        for _ in range(3):
            facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted))
        assert facts.sections > 0
        assert judge(facts, 60) == Verdict.GOING_ON
        moodle.gates.release()
    assert judge(apply_observation(facts, wanted, observe_copy(client_of, facts, wanted)), 60) == Verdict.FINISHED


def test_it_is_gone_after_three_looks_that_do_not_find_it(moodle: Moodle, client_of: MoodleClient) -> None:
    course = moodle.add("AT&T_1")
    facts = CopyEvidence(course_id=course.id)
    wanted = ExpectedCopy("NEW-1", "New one", 2, "AT&T", frozenset())
    moodle.state.delete(course.id)
    verdicts = []
    for _ in range(3):
        facts = apply_observation(facts, wanted, observe_copy(client_of, facts, wanted))
        verdicts.append(judge(facts, 60))
    assert verdicts == [Verdict.GOING_ON, Verdict.GOING_ON, Verdict.GONE]


def test_it_asks_for_the_dear_contents_only_where_they_decide(moodle: Moodle, client_of: MoodleClient) -> None:
    asked: list[str] = []
    course = moodle.add("AT&T_1")
    wanted = ExpectedCopy("NEW-1", "New one", 2, "AT&T", frozenset())
    moodle.when(CONTENTS, lambda: asked.append("contents"))
    seen = CourseSnapshot(course.id, "AT&T_1", course.fullname, True, 2)
    assert observe_copy(client_of, CopyEvidence(course.id, last=seen), wanted, contents=False).sections is None
    assert asked == []
    moodle.change(course.id, shortname="NEW-1")
    assert observe_copy(client_of, CopyEvidence(course.id, last=seen), wanted, contents=False).sections == 0
    await_until(lambda: asked, "the contents to be asked for")
