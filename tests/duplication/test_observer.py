"""The observer, fed with looks at a true life of a course: shuffled, repeated, missing, and beside other courses."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.duplication.observer import (
    Facts,
    Look,
    Seen,
    Verdict,
    Wanted,
    could_be_ours,
    fold,
    is_temporary_short_name,
    judge,
    same_name,
    temporary_short_name,
)

OURS = 500
WANTED = Wanted("NEW-1", "New one", 2, "SRC", frozenset({7, 401, 402}))
STILL = 40.0

# Of other courses: there before under the source's name, a person's restore meanwhile, somebody's of another kind.
BEFORE = Seen(401, "SRC_1", "Source copy 1", True, 2)
BEFORE_IN_THE_WAY = Seen(402, "NEW-1", "New one", True, 2)
PERSONS = Seen(501, "SRC_3", "Source copy 3", True, 2)
ELSEWHERE = Seen(502, "new-1", "Another one", True, 9)


@dataclass(frozen=True)
class Moment:
    """What Moodle holds of our copy at a time; ``shown`` None: no row yet."""

    at: float
    shown: Seen | None
    sections: int = 0


HIDDEN = Seen(OURS, "NEW-1", "New one", False, 2)
RENAMED = Seen(OURS, "SRC_2", "Source copy 2", True, 2)
DONE = Seen(OURS, "NEW-1", "New one", True, 2)


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


def looked_at(moment: Moment, facts: Facts, others: list[Seen], *, named: bool, temporary: bool) -> Look:
    """A look as the program makes it: by id where that is known, else under the names."""
    if facts.course_id is not None:
        found = moment.shown is not None and facts.course_id == OURS
        own = moment.shown if found else next((one for one in others if one.id == facts.course_id), None)
        return Look(moment.at, own=own, own_is_missing=own is None, sections=moment.sections if own else None)
    there = [*others, *([moment.shown] if moment.shown else [])]
    under_name = tuple(one for one in there if same_name(one.shortname, "NEW-1"))
    counted = tuple(one for one in there if is_temporary_short_name(one.shortname, "SRC"))
    return Look(moment.at, named=under_name if named else None, temporary=counted if temporary else None)


others = st.lists(st.sampled_from([BEFORE, BEFORE_IN_THE_WAY, PERSONS, ELSEWHERE]), unique=True)
order = st.randoms(use_true_random=False)


@given(lives(), others, st.data())
def test_it_never_says_finished_before_the_copy_was(life: list[Moment], there: list[Seen], data: st.DataObject) -> None:
    facts = Facts()
    for moment in life:
        named, temporary = data.draw(st.booleans()), data.draw(st.booleans())
        facts = fold(facts, WANTED, looked_at(moment, facts, there, named=named, temporary=temporary))
        verdict = judge(facts, moment.at, STILL)
        if verdict == Verdict.FINISHED:
            assert moment.shown == DONE
        assert facts.course_id in (None, OURS)


@given(lives(), others, order, st.data())
def test_it_survives_looks_out_of_order_repeated_and_missing(
    life: list[Moment], there: list[Seen], shuffle: "st.DataObject", data: st.DataObject
) -> None:
    """Looks of two at once may be told in any order: nothing wrong is ever concluded, and a proof never changes."""
    looks = [moment for moment in life for _ in range(data.draw(st.integers(0, 2)))]
    shuffle.shuffle(looks)  # type: ignore[attr-defined]
    facts = Facts()
    proven: int | None = None
    for moment in looks:
        look = looked_at(moment, Facts(proven), there, named=True, temporary=True)
        facts = fold(facts, WANTED, look)
        if proven is not None:
            assert facts.course_id == proven
        proven = facts.course_id
        assert proven not in WANTED.present_before
        assert all(candidate.id not in WANTED.present_before for candidate in facts.candidates)
        assert proven not in {candidate.id for candidate in facts.candidates}
        if judge(facts, looks[0].at, STILL) == Verdict.FINISHED:
            assert any(moment.shown == DONE for moment in looks)


@given(lives(), st.data())
def test_it_never_calls_a_healthy_copy_partial(life: list[Moment], data: st.DataObject) -> None:
    """``still`` is a whole expected duration; no step of a copy lasts that long."""
    facts = Facts()
    for moment in life:
        facts = fold(facts, WANTED, looked_at(moment, facts, [], named=True, temporary=data.draw(st.booleans())))
        assert judge(facts, moment.at, STILL) != Verdict.PARTIAL


@given(lives(), st.floats(1, 1000), st.data())
def test_it_calls_a_copy_partial_only_after_it_stood_still(
    life: list[Moment], dead_for: float, data: st.DataObject
) -> None:
    """PHP died at some moment; the looks go on."""
    facts = Facts()
    died_at = data.draw(st.integers(0, len(life) - 1))
    alive = life[: died_at + 1]
    last = alive[-1]
    for moment in alive:
        facts = fold(facts, WANTED, looked_at(moment, facts, [], named=True, temporary=True))
    later = replace(last, at=last.at + dead_for)
    facts = fold(facts, WANTED, looked_at(later, facts, [], named=True, temporary=True))
    verdict = judge(facts, later.at, STILL)
    if verdict == Verdict.PARTIAL:
        assert facts.course_id == OURS
        assert facts.changed_at is not None
        assert later.at - facts.changed_at >= STILL
        assert last.shown != DONE or facts.sections == 0
    elif facts.course_id is not None and last.shown != DONE and facts.changed_at is not None:
        assert later.at - facts.changed_at < STILL


@given(lives(), others)
def test_it_says_finished_in_the_end(life: list[Moment], there: list[Seen]) -> None:
    """Whatever was missed: looks at the finished copy show it, unless something else is in its way."""
    facts = Facts()
    end = life[-1].at
    for moment in [*life, Moment(end + 1, DONE, 4), Moment(end + 2, DONE, 4)]:
        facts = fold(facts, WANTED, looked_at(moment, facts, there, named=True, temporary=False))
    assert facts.course_id == OURS
    assert judge(facts, end + 2, STILL) == Verdict.FINISHED


@given(lives(), st.data())
def test_it_remembers_everything_over_a_restart(life: list[Moment], data: st.DataObject) -> None:
    facts = Facts()
    for moment in life:
        facts = fold(facts, WANTED, looked_at(moment, facts, [PERSONS], named=True, temporary=True))
        assert Facts.from_json(facts.to_json()) == facts


# --- single judgements -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("course", "ours"),
    [
        (HIDDEN, True),
        (DONE, True),
        (replace(DONE, shortname="new-1"), True),
        (replace(DONE, fullname="New  one"), True),
        (replace(DONE, fullname="Filtered"), False),
        (replace(HIDDEN, fullname="Filtered"), True),
        (replace(DONE, category_id=3), False),
        (RENAMED, False),
        (BEFORE_IN_THE_WAY, False),
    ],
)
def test_it_knows_what_could_be_ours(course: Seen, ours: bool) -> None:
    assert could_be_ours(course, WANTED) is ours


def test_it_proves_nothing_where_two_could_be_ours() -> None:
    """Three calls at once made three courses of one name: nobody can tell which is whose."""
    twins = (DONE, replace(DONE, id=OURS + 1))
    facts = fold(Facts(), WANTED, Look(1, named=twins))
    assert facts.course_id is None
    assert [candidate.id for candidate in facts.candidates] == [OURS, OURS + 1]


def test_it_takes_no_sign_of_life_from_one_missing_look() -> None:
    facts = fold(Facts(), WANTED, Look(1, named=(HIDDEN,)))
    for at in (2, 3):
        facts = fold(facts, WANTED, Look(at, own=None, own_is_missing=True))
    assert judge(facts, 3, STILL) == Verdict.GOING_ON
    facts = fold(facts, WANTED, Look(4, own=RENAMED))
    for at in (5, 6):
        facts = fold(facts, WANTED, Look(at, own=None, own_is_missing=True))
    assert judge(facts, 6, STILL) == Verdict.GOING_ON
    facts = fold(facts, WANTED, Look(7, own=None, own_is_missing=True))
    assert judge(facts, 7, STILL) == Verdict.GONE


def test_it_does_not_count_time_in_which_nobody_looked() -> None:
    """The machine was off for a day: the course may have changed meanwhile, nobody knows when."""
    facts = fold(Facts(), WANTED, Look(1, named=(HIDDEN,)))
    assert judge(facts, 86_400, STILL) == Verdict.GOING_ON


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
