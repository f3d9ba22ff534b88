"""Tests the copy tracker with lookups in any order, repeated or missing, and with other courses next to the copy."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.duplication.drivers.copy_evidence import CopyEvidence, CourseSnapshot, ExpectedCopy, Observation
from dupdash.duplication.drivers.copy_verdict import Verdict, apply_answer, apply_observation, judge, matches_request
from dupdash.duplication.drivers.temporary_names import is_temporary_short_name, same_name, temporary_short_name

OURS = 500
WANTED = ExpectedCopy("NEW-1", "New one", 2, "SRC", frozenset({7, 401, 402}), gap=10.0)
STILL = 40.0

# Other courses: one that existed before with the source's name, a person's restore, and an unrelated course.
BEFORE = CourseSnapshot(401, "SRC_1", "Source copy 1", True, 2)
BEFORE_IN_THE_WAY = CourseSnapshot(402, "NEW-1", "New one", True, 2)
PERSONS = CourseSnapshot(501, "SRC_3", "Source copy 3", True, 2)
ELSEWHERE = CourseSnapshot(502, "new-1", "Another one", True, 9)

HIDDEN = CourseSnapshot(OURS, "NEW-1", "New one", False, 2)
RENAMED = CourseSnapshot(OURS, "SRC_2", "Source copy 2", True, 2, has_start_date=True)
DONE = CourseSnapshot(OURS, "NEW-1", "New one", True, 2, has_start_date=True)


def lookup(at: float, *courses: CourseSnapshot, sections: int | None = None, named: bool = False) -> Observation:
    """Return a lookup. ``sections``: every course has this many sections with two activities each; None: not read."""
    if sections is not None:
        courses = tuple(replace(course, sections=sections, activities=2 * sections) for course in courses)
    return Observation(at, courses, requested_name_looked_up=named)


def after(*lookups: Observation, evidence: CopyEvidence | None = None) -> CopyEvidence:
    evidence = evidence or CopyEvidence()
    for one in lookups:
        evidence = apply_observation(evidence, WANTED, one)
    return evidence


@dataclass(frozen=True)
class Moment:
    """The state of the copy in Moodle at one time. ``shown`` is None while the course does not exist."""

    at: float
    shown: CourseSnapshot | None
    sections: int = 0


@st.composite
def healthy_copies(draw: st.DrawFn) -> list[Moment]:
    """Generate moments of a faultless copy, at random times: in the backup, hidden, renamed, with contents, done."""
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


def looked_up(
    moment: Moment, evidence: CopyEvidence, others: list[CourseSnapshot], *, named: bool, temporary: bool
) -> Observation:
    """Return what a round of lookups shows: known courses by their ids, and the courses found by names.

    ``temporary``: look up the temporary names. ``named``: look up the requested name.
    """
    there = {course.id: course for course in (*others, *([moment.shown] if moment.shown else []))}
    followed = [evidence.own.id] if evidence.own else [course.id for course in evidence.candidates]
    shown = {id: there[id] for id in followed if id in there}
    if evidence.own is None:
        if temporary:
            shown |= {id: one for id, one in there.items() if is_temporary_short_name(one.shortname, "SRC")}
        if named:
            shown |= {id: one for id, one in there.items() if same_name(one.shortname, "NEW-1")}
    courses = tuple(
        replace(one, sections=moment.sections, activities=2 * moment.sections) if one.id == OURS else one
        for one in shown.values()
    )
    missing = frozenset(id for id in followed if id not in there)
    return Observation(moment.at, courses, missing, named and evidence.own is None)


others = st.lists(st.sampled_from([BEFORE, BEFORE_IN_THE_WAY, PERSONS, ELSEWHERE]), unique=True)
order = st.randoms(use_true_random=False)


@given(healthy_copies(), others, st.data())
def test_copy_is_never_finished_before_its_names_are_back(
    life: list[Moment], there: list[CourseSnapshot], data: st.DataObject
) -> None:
    evidence = CopyEvidence()
    for moment in life:
        kinds = {"named": data.draw(st.booleans()), "temporary": data.draw(st.booleans())}
        evidence = after(looked_up(moment, evidence, there, **kinds), evidence=evidence)
        if judge(evidence, STILL) == Verdict.FINISHED:
            assert moment.shown == DONE
        assert evidence.course_id in (None, OURS)


@given(healthy_copies(), others, order, st.data())
def test_evidence_survives_lookups_out_of_order_repeated_and_missing(
    life: list[Moment], there: list[CourseSnapshot], shuffle: "st.DataObject", data: st.DataObject
) -> None:
    """Lookups in any order, repeated or missing, never lead to a wrong conclusion, and a proof never changes."""
    moments = [moment for moment in life for _ in range(data.draw(st.integers(0, 2)))]
    shuffle.shuffle(moments)  # type: ignore[attr-defined]
    evidence = CopyEvidence()
    proven: int | None = None
    for moment in moments:
        evidence = after(looked_up(moment, evidence, there, named=True, temporary=True), evidence=evidence)
        if proven is not None:
            assert evidence.course_id == proven
        proven = evidence.course_id
        assert proven not in WANTED.not_ours
        assert all(candidate.id not in WANTED.not_ours for candidate in evidence.candidates)
        assert proven not in {candidate.id for candidate in evidence.candidates}
        if judge(evidence, STILL) == Verdict.FINISHED:
            assert any(moment.shown == DONE for moment in moments)


@given(healthy_copies(), st.data())
def test_healthy_copy_is_never_called_partial(life: list[Moment], data: st.DataObject) -> None:
    """A copy without faults never counts as partial, because no step lasts as long as the limit."""
    evidence = CopyEvidence()
    for moment in life:
        kinds = {"named": data.draw(st.booleans()), "temporary": data.draw(st.booleans())}
        evidence = after(looked_up(moment, evidence, [], **kinds), evidence=evidence)
        assert judge(evidence, STILL) not in (Verdict.PARTIAL, Verdict.LIKELY_PARTIAL)


@given(st.sampled_from([(HIDDEN, 0), (HIDDEN, 1), (RENAMED, 0), (RENAMED, 4)]), st.floats(1, 1000))
def test_unchanged_copy_counts_as_partial_after_the_limit(left: tuple[CourseSnapshot, int], every: float) -> None:
    """If PHP is killed in any step, the unchanged course counts as partial after the limit."""
    course, sections = left
    shown = replace(course, sections=sections, activities=0)
    evidence = after(Observation(0, (shown,)))
    verdict = Verdict.PARTIAL if course is HIDDEN else Verdict.LIKELY_PARTIAL
    rounds = 0
    while judge(evidence, STILL) != verdict:
        rounds += 1
        assert rounds < 100
        evidence = after(Observation(rounds * every, (shown,)), evidence=evidence)
    assert rounds * every >= STILL
    # This requires several lookups, however long the time between them.
    assert rounds >= min(3, STILL / every)


@given(healthy_copies(), others)
def test_finished_copy_is_found(life: list[Moment], there: list[CourseSnapshot]) -> None:
    """A finished copy is found, whatever lookups were missed before, unless another course makes it ambiguous."""
    evidence = CopyEvidence()
    end = life[-1].at
    for moment in [*life, Moment(end + 1, DONE, 4), Moment(end + 2, DONE, 4)]:
        evidence = after(looked_up(moment, evidence, there, named=moment.at > end, temporary=True), evidence=evidence)
    assert evidence.course_id == OURS
    assert judge(evidence, STILL) == Verdict.FINISHED


@given(healthy_copies(), st.data())
def test_evidence_is_the_same_after_a_restart(life: list[Moment], data: st.DataObject) -> None:
    evidence = CopyEvidence()
    for moment in life:
        evidence = after(looked_up(moment, evidence, [PERSONS], named=True, temporary=True), evidence=evidence)
        assert CopyEvidence.from_json(evidence.to_json()) == evidence


# --- Single rules ------------------------------------------------------------------------------------------------


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
def test_course_that_can_be_the_copy_is_known(course: CourseSnapshot, ours: bool) -> None:
    assert matches_request(course, WANTED) is ours


def test_candidate_is_no_proof() -> None:
    evidence = after(lookup(1, RENAMED), lookup(2, RENAMED, sections=4))
    assert (evidence.course_id, evidence.restore_at, evidence.content_at) == (None, 1, 2)
    assert [course.id for course in evidence.candidates] == [OURS]
    assert judge(evidence, STILL) == Verdict.IN_PROGRESS


def test_candidate_is_proven_by_the_requested_names() -> None:
    evidence = after(lookup(1, RENAMED, PERSONS), lookup(2, DONE, PERSONS, sections=4))
    assert evidence.course_id == OURS
    assert judge(evidence, STILL) == Verdict.FINISHED
    assert [course.id for course in evidence.candidates] == [PERSONS.id]


def test_candidate_in_another_category_shows_no_restore() -> None:
    evidence = after(lookup(1, replace(RENAMED, category_id=3)))
    assert (evidence.restore_at, len(evidence.candidates)) == (None, 1)


def test_hidden_course_without_start_date_and_contents_is_never_finished() -> None:
    """A failed restore may leave a hidden course with one empty section and without a start date."""
    shell = replace(HIDDEN, sections=1, activities=0)
    evidence = after(lookup(1, HIDDEN, sections=0), *(Observation(2.0 + at, (shell,)) for at in range(int(STILL))))
    assert evidence.course_id == OURS
    assert judge(evidence, STILL + 10) == Verdict.IN_PROGRESS
    evidence = after(*(Observation(50.0 + at, (shell,)) for at in range(int(STILL))), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.PARTIAL


def test_hidden_row_is_no_copy_because_of_wrong_contents() -> None:
    """A hidden row does not become a finished copy if an answer has the contents of another course."""
    evidence = after(lookup(1, HIDDEN, named=True))
    for at in range(2, int(STILL)):
        evidence = after(lookup(at, HIDDEN, sections=4), evidence=evidence)
        assert judge(evidence, STILL) == Verdict.IN_PROGRESS
    for at in range(int(STILL), 3 * int(STILL)):
        evidence = after(lookup(at, HIDDEN, sections=0), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.PARTIAL


def test_hidden_course_with_a_start_date_is_finished_with_its_contents() -> None:
    """A restore sets the start date after the hidden row, so requested names mean that the copy is complete."""
    done = replace(DONE, visible=False)
    assert judge(after(lookup(1, done, sections=0)), STILL) == Verdict.IN_PROGRESS
    empty_course = replace(done, sections=1, activities=0)
    assert judge(after(Observation(1, (empty_course,))), STILL) == Verdict.FINISHED


def test_finished_copy_may_be_hidden() -> None:
    """A hidden course can be a finished copy: it was requested hidden, or somebody hid it."""
    done = replace(DONE, visible=False, has_start_date=False)
    renamed = after(lookup(1, RENAMED), lookup(2, done, sections=4))
    assert judge(renamed, STILL) == Verdict.FINISHED
    # If neither a temporary name nor a start date was seen, the course must stay unchanged for an expected duration.
    evidence = CopyEvidence()
    for at in range(2, int(STILL) + 10):
        evidence = after(lookup(at, done, sections=4, named=True), evidence=evidence)
        assert judge(evidence, STILL) == (Verdict.FINISHED if at - 2 >= STILL else Verdict.IN_PROGRESS)


def test_long_gaps_between_lookups_are_not_counted_as_observed() -> None:
    """A long gap between two lookups does not count as time in which the course was unchanged."""
    times = (2.0, 4.0, 10.0, 10.0 + 50 * STILL, 10.0 + 100 * STILL)
    evidence = after(lookup(1, RENAMED), *(lookup(at, RENAMED, sections=0) for at in times))
    assert judge(evidence, STILL) == Verdict.IN_PROGRESS


def test_answer_of_moodle_names_the_copy() -> None:
    evidence = after(lookup(1, HIDDEN, PERSONS, named=True))
    evidence = apply_answer(evidence, OURS + 7, 2)
    assert (evidence.course_id, evidence.answered) == (None, OURS + 7)
    assert [one.id for one in evidence.candidates] == [OURS, PERSONS.id]
    evidence = after(lookup(3, replace(DONE, id=OURS + 7), sections=4), evidence=evidence)
    assert evidence.course_id == OURS + 7
    assert apply_answer(evidence, OURS + 7, 4).course_id == OURS + 7


@pytest.mark.parametrize("answered", [True, False])
def test_hidden_copy_is_finished_after_an_answer_or_a_temporary_name(answered: bool) -> None:
    done = replace(DONE, visible=False)
    evidence = apply_answer(CopyEvidence(), OURS, 1) if answered else after(lookup(1, RENAMED))
    assert judge(after(lookup(3, done, sections=1), evidence=evidence), STILL) == Verdict.FINISHED


def test_missing_course_of_an_answer_is_gone() -> None:
    evidence = apply_answer(CopyEvidence(), OURS, 1)
    for at in (2.0, 3.0, 4.0):
        evidence = after(Observation(at, missing=frozenset({OURS})), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.GONE


def test_two_courses_that_could_be_the_copy_prove_nothing() -> None:
    """If two courses could be the copy, neither is proven, for example after simultaneous calls with one name."""
    evidence = after(lookup(1, DONE, replace(DONE, id=OURS + 1), named=True))
    assert evidence.course_id is None
    assert [candidate.id for candidate in evidence.candidates] == [OURS, OURS + 1]


def test_changing_candidate_postpones_the_verdict_on_others() -> None:
    """While one candidate still changes, other candidates are not judged."""
    evidence = CopyEvidence()
    for at in range(0, 3 * int(STILL), 5):
        evidence = after(lookup(at, PERSONS), lookup(at, replace(RENAMED, sections=at)), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.IN_PROGRESS


def test_course_is_gone_after_three_lookups_in_a_row() -> None:
    missing = frozenset({OURS})
    evidence = after(lookup(1, HIDDEN, named=True), *(Observation(at, missing=missing) for at in (2.0, 3.0)))
    assert judge(evidence, STILL) == Verdict.IN_PROGRESS
    evidence = after(lookup(4, RENAMED), *(Observation(at, missing=missing) for at in (5.0, 6.0)), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.IN_PROGRESS
    evidence = after(Observation(7, missing=missing), evidence=evidence)
    assert judge(evidence, STILL) == Verdict.GONE


def test_time_of_the_last_lookup_of_the_requested_name_is_kept() -> None:
    evidence = after(lookup(1, named=True), lookup(5))
    assert evidence.requested_name_at == 1


@given(st.text(min_size=1, max_size=100), st.integers(1, 150))
def test_temporary_names_are_known_by_their_pattern(source: str, counter: int) -> None:
    name = temporary_short_name(source, counter)
    assert len(name) <= 100
    assert name.endswith(f"_{counter}")
    assert is_temporary_short_name(name, source)
    assert is_temporary_short_name(name.upper(), source) or name.upper().casefold() != name.casefold()


@pytest.mark.parametrize("name", ["SRC", "SRC_", "SRC_0", "SRC_01", "SRC_1x", "SRC 1", "XSRC_1", "SRC_-1", "SRC_1\n"])
def test_other_names_are_not_temporary(name: str) -> None:
    assert not is_temporary_short_name(name, "SRC")
