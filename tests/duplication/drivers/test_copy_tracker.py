"""The observer, fed with looks at a true life of a course: shuffled, repeated, missing, and beside other courses."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.duplication.drivers.copy_tracker import (
    CopyEvidence,
    CourseSnapshot,
    ExpectedCopy,
    Observation,
    Verdict,
    apply_answer,
    apply_observation,
    is_temporary_short_name,
    judge,
    matches_request,
    same_name,
    temporary_short_name,
)

OURS = 500
WANTED = ExpectedCopy("NEW-1", "New one", 2, "SRC", frozenset({7, 401, 402}), gap=10.0)
STILL = 40.0

# Of other courses: there before under the source's name, a person's restore meanwhile, somebody's of another kind.
BEFORE = CourseSnapshot(401, "SRC_1", "Source copy 1", True, 2)
BEFORE_IN_THE_WAY = CourseSnapshot(402, "NEW-1", "New one", True, 2)
PERSONS = CourseSnapshot(501, "SRC_3", "Source copy 3", True, 2)
ELSEWHERE = CourseSnapshot(502, "new-1", "Another one", True, 9)


@dataclass(frozen=True)
class Moment:
    """What Moodle holds of our copy at a time; ``shown`` None: no row yet."""

    at: float
    shown: CourseSnapshot | None
    sections: int = 0


HIDDEN = CourseSnapshot(OURS, "NEW-1", "New one", False, 2)
RENAMED = CourseSnapshot(OURS, "SRC_2", "Source copy 2", True, 2)
DONE = CourseSnapshot(OURS, "NEW-1", "New one", True, 2)


@st.composite
def lives(draw: st.DrawFn) -> list[Moment]:
    """A healthy copy, as long as it may take: backup, hidden row, renamed, contents, done; sampled at some times."""
    steps = [(None, 0), (HIDDEN, 0), (RENAMED, 0), (RENAMED, 4), (DONE, 4)]
    ends, at = [], 0.0
    for share in (20.0, 1.0, 12.0, 4.0, 10.0):
        at += share * draw(st.floats(0.5, 1.0))
        ends.append(at)
    times = sorted(draw(st.lists(st.floats(0, at), min_size=1, max_size=25)))
    moments = []
    for time in times:
        step = next(number for number, end in enumerate(ends) if time <= end)
        moments.append(Moment(time, *steps[step]))
    return moments


def looked_at(
    moment: Moment, facts: CopyEvidence, others: list[CourseSnapshot], *, named: bool, temporary: bool
) -> Observation:
    """A look as the program makes it: by id where that is known, else under the names."""
    if facts.course_id is not None:
        found = moment.shown is not None and facts.course_id == OURS
        own = moment.shown if found else next((one for one in others if one.id == facts.course_id), None)
        return Observation(moment.at, own=own, own_is_missing=own is None, sections=moment.sections if own else None)
    there = [*others, *([moment.shown] if moment.shown else [])]
    under_name = tuple(one for one in there if same_name(one.shortname, "NEW-1"))
    counted = tuple(one for one in there if is_temporary_short_name(one.shortname, "SRC"))
    return Observation(moment.at, named=under_name if named else None, temporary=counted if temporary else None)


others = st.lists(st.sampled_from([BEFORE, BEFORE_IN_THE_WAY, PERSONS, ELSEWHERE]), unique=True)
order = st.randoms(use_true_random=False)


@given(lives(), others, st.data())
def test_it_never_says_finished_before_the_copy_was(
    life: list[Moment], there: list[CourseSnapshot], data: st.DataObject
) -> None:
    facts = CopyEvidence()
    for moment in life:
        named, temporary = data.draw(st.booleans()), data.draw(st.booleans())
        facts = apply_observation(facts, WANTED, looked_at(moment, facts, there, named=named, temporary=temporary))
        verdict = judge(facts, STILL)
        if verdict == Verdict.FINISHED:
            assert moment.shown == DONE
        assert facts.course_id in (None, OURS)


@given(lives(), others, order, st.data())
def test_it_survives_looks_out_of_order_repeated_and_missing(
    life: list[Moment], there: list[CourseSnapshot], shuffle: "st.DataObject", data: st.DataObject
) -> None:
    """Looks of two at once may be told in any order: nothing wrong is ever concluded, and a proof never changes."""
    looks = [moment for moment in life for _ in range(data.draw(st.integers(0, 2)))]
    shuffle.shuffle(looks)  # type: ignore[attr-defined]
    facts = CopyEvidence()
    proven: int | None = None
    for moment in looks:
        look = looked_at(moment, CopyEvidence(proven), there, named=True, temporary=True)
        facts = apply_observation(facts, WANTED, look)
        if proven is not None:
            assert facts.course_id == proven
        proven = facts.course_id
        assert proven not in WANTED.not_ours
        assert all(candidate.id not in WANTED.not_ours for candidate in facts.candidates)
        assert proven not in {candidate.id for candidate in facts.candidates}
        if judge(facts, STILL) == Verdict.FINISHED:
            assert any(moment.shown == DONE for moment in looks)


@given(lives(), st.data())
def test_it_never_calls_a_healthy_copy_partial(life: list[Moment], data: st.DataObject) -> None:
    """``still`` is a whole expected duration; no step of a copy lasts that long."""
    facts = CopyEvidence()
    for moment in life:
        facts = apply_observation(
            facts, WANTED, looked_at(moment, facts, [], named=True, temporary=data.draw(st.booleans()))
        )
        assert judge(facts, STILL) != Verdict.PARTIAL


@given(st.sampled_from([(HIDDEN, 0), (RENAMED, 0), (RENAMED, 4)]), st.floats(1, 1000))
def test_it_calls_a_dead_copy_partial_after_it_was_seen_to_stand_still(
    left: tuple[CourseSnapshot, int], every: float
) -> None:
    """PHP died at some moment; the looks go on."""
    facts = apply_observation(CopyEvidence(), WANTED, Observation(0, named=(HIDDEN,)))
    looks = 0
    while judge(facts, STILL) != Verdict.PARTIAL:
        looks += 1
        assert looks < 100
        facts = apply_observation(facts, WANTED, Observation(looks * every, own=left[0], sections=left[1]))
    assert looks * every >= STILL
    # However long the gaps: it was looked at more than once or twice.
    assert looks >= min(3, STILL / every)


@given(lives(), others)
def test_it_says_finished_in_the_end(life: list[Moment], there: list[CourseSnapshot]) -> None:
    """Whatever was missed: looks at the finished copy show it, unless something else is in its way."""
    facts = CopyEvidence()
    end = life[-1].at
    for moment in [*life, Moment(end + 1, DONE, 4), Moment(end + 2, DONE, 4)]:
        facts = apply_observation(facts, WANTED, looked_at(moment, facts, there, named=True, temporary=False))
    assert facts.course_id == OURS
    assert judge(facts, STILL) == Verdict.FINISHED


@given(lives(), st.data())
def test_it_remembers_everything_over_a_restart(life: list[Moment], data: st.DataObject) -> None:
    facts = CopyEvidence()
    for moment in life:
        facts = apply_observation(facts, WANTED, looked_at(moment, facts, [PERSONS], named=True, temporary=True))
        assert CopyEvidence.from_json(facts.to_json()) == facts


# --- single judgements -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("course", "ours"),
    [
        (HIDDEN, True),
        (DONE, True),
        (replace(DONE, shortname="new-1"), True),
        (replace(DONE, fullname="New  one"), True),
        (replace(DONE, fullname="Filtered"), False),
        (replace(HIDDEN, fullname="Filtered"), False),
        (replace(DONE, category_id=3), False),
        (RENAMED, False),
        (BEFORE_IN_THE_WAY, False),
    ],
)
def test_it_knows_what_could_be_ours(course: CourseSnapshot, ours: bool) -> None:
    assert matches_request(course, WANTED) is ours


def test_it_makes_no_copy_of_the_row_that_a_restore_begins_with() -> None:
    """PHP died right there, and answers with the contents of another course come in."""
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,)))
    for at in range(2, int(STILL)):
        facts = apply_observation(facts, WANTED, Observation(at, own=HIDDEN, sections=4))
        assert judge(facts, STILL) == Verdict.GOING_ON
    for at in range(int(STILL), 3 * int(STILL)):
        facts = apply_observation(facts, WANTED, Observation(at, own=HIDDEN, sections=0))
    assert judge(facts, STILL) == Verdict.PARTIAL


def test_it_knows_a_copy_that_is_hidden_in_the_end() -> None:
    """It was asked for like that, or somebody hid it at once."""
    done = replace(DONE, visible=False)
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,)))
    renamed = apply_observation(facts, WANTED, Observation(2, own=RENAMED))
    assert judge(apply_observation(renamed, WANTED, Observation(3, own=done, sections=4)), STILL) == Verdict.FINISHED
    # Its renaming was never seen: then it has to stay like that for a whole duration.
    for at in range(2, int(STILL) + 10):
        facts = apply_observation(facts, WANTED, Observation(at, own=done, sections=4))
        assert judge(facts, STILL) == (Verdict.FINISHED if at - 2 >= STILL else Verdict.GOING_ON)


def test_it_does_not_believe_looks_after_long_gaps() -> None:
    """Moodle stood still itself, or a clock was set: nobody saw the course stand still meanwhile."""
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,)))
    for at in (2.0, 4.0, 10.0, 10.0 + 50 * STILL, 10.0 + 100 * STILL):
        facts = apply_observation(facts, WANTED, Observation(at, own=RENAMED, sections=0))
    assert judge(facts, STILL) == Verdict.GOING_ON


def test_it_holds_to_the_course_that_moodle_s_answer_named() -> None:
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,), temporary=(PERSONS,)))
    facts = apply_answer(facts, OURS + 7, 2)
    assert (facts.course_id, [one.id for one in facts.candidates]) == (OURS + 7, [OURS, PERSONS.id])
    assert apply_answer(facts, OURS + 7, 3) == facts


def test_it_reads_what_another_version_wrote() -> None:
    stored = {"course_id": OURS, "sections": 4, "changed_at": 3.0, "of_a_later_version": True}
    assert CopyEvidence.from_json(stored) == CopyEvidence(course_id=OURS, sections=4)


def test_it_needs_no_more_proof_after_moodle_s_answer_or_restore_s_own_name() -> None:
    done = replace(DONE, visible=False)
    for facts in (
        apply_answer(CopyEvidence(), OURS, 1),
        apply_answer(apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,))), OURS, 2),
        apply_observation(
            apply_observation(CopyEvidence(), WANTED, Observation(1, temporary=(RENAMED,))),
            WANTED,
            Observation(2, named=(done,)),
        ),
    ):
        assert judge(apply_observation(facts, WANTED, Observation(3, own=done, sections=4)), STILL) == Verdict.FINISHED


def test_it_proves_nothing_where_two_could_be_ours() -> None:
    """Three calls at once made three courses of one name: nobody can tell which is whose."""
    twins = (DONE, replace(DONE, id=OURS + 1))
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=twins))
    assert facts.course_id is None
    assert [candidate.id for candidate in facts.candidates] == [OURS, OURS + 1]


def test_it_takes_no_sign_of_life_from_one_missing_look() -> None:
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,)))
    for at in (2, 3):
        facts = apply_observation(facts, WANTED, Observation(at, own=None, own_is_missing=True))
    assert judge(facts, STILL) == Verdict.GOING_ON
    facts = apply_observation(facts, WANTED, Observation(4, own=RENAMED))
    for at in (5, 6):
        facts = apply_observation(facts, WANTED, Observation(at, own=None, own_is_missing=True))
    assert judge(facts, STILL) == Verdict.GOING_ON
    facts = apply_observation(facts, WANTED, Observation(7, own=None, own_is_missing=True))
    assert judge(facts, STILL) == Verdict.GONE


def test_it_does_not_count_time_in_which_nobody_looked() -> None:
    """The machine was off for a day: the course may have changed meanwhile, nobody knows when."""
    facts = apply_observation(CopyEvidence(), WANTED, Observation(1, named=(HIDDEN,)))
    assert judge(facts, STILL) == Verdict.GOING_ON


@given(st.text(min_size=1, max_size=100), st.integers(1, 150))
def test_it_knows_restore_s_names_by_their_pattern(source: str, counter: int) -> None:
    name = temporary_short_name(source, counter)
    assert len(name) <= 100
    assert name.endswith(f"_{counter}")
    assert is_temporary_short_name(name, source)
    assert is_temporary_short_name(name.upper(), source) or name.upper().casefold() != name.casefold()


@pytest.mark.parametrize("name", ["SRC", "SRC_", "SRC_0", "SRC_01", "SRC_1x", "SRC 1", "XSRC_1", "SRC_-1", "SRC_1\n"])
def test_it_does_not_take_other_names_for_restore_s(name: str) -> None:
    assert not is_temporary_short_name(name, "SRC")
