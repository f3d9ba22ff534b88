"""Tests the copy tracker with random sequences: a copy at any pace, killed PHP, and wrong or missing lookups."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from dupdash.duplication.drivers.copy_evidence import CopyEvidence, CourseSnapshot, ExpectedCopy, Observation
from dupdash.duplication.drivers.copy_verdict import Verdict, apply_observation, judge
from dupdash.duplication.drivers.temporary_names import is_temporary_short_name, same_name

OURS = 500
GAP = 10.0
WANTED = ExpectedCopy("NEW-1", "New one", 2, "SRC", frozenset({7}), gap=GAP)
# A course must be unchanged for at least this many lookups, however short the copy is (CHECK_STILL_LEAST).
STILL_LEAST = 30 * GAP
# Moodle or a clock stands still at most this often during one copy.
STALLS_MOST = 15
HIDDEN = CourseSnapshot(OURS, "NEW-1", "New one", False, 2)
RENAMED = CourseSnapshot(OURS, "SRC_2", "Source copy 2", True, 2, has_start_date=True)
# Courses that other people may create: their own restore of the source, and courses with one of our names.
STRANGERS = [
    CourseSnapshot(601, "SRC_3", "Source copy 3", True, 2),
    CourseSnapshot(602, "new-1", "Somebody's", False, 2),
    CourseSnapshot(603, "NEW-1", "New one", True, 9),
]
# The share of its duration that a copy spends in each step: backup, hidden, renamed, with contents, done.
SHARES = (0.5, 0.02, 0.34, 0.14)


class OneCopy(RuleBasedStateMachine):
    looks = Bundle("looks")

    def __init__(self) -> None:
        super().__init__()
        self.evidence = CopyEvidence()
        self.now = 0.0
        self.age = 0.0
        self.alive = True
        self.strangers: list[CourseSnapshot] = []
        self.wrong_in_a_row = 0
        self.stalls = 0
        self.life = 40.0
        self.done = replace(HIDDEN, visible=True, has_start_date=True)
        self.dated, self.empty_source = True, False

    @precondition(lambda self: self.now == 0)
    @rule(life=st.floats(5, 4000), visible=st.booleans(), empty_source=st.booleans(), dated=st.booleans())
    def begin(self, life: float, visible: bool, empty_source: bool, dated: bool) -> None:
        """Begin a copy. ``dated``: the source has a start date, and the token's account may see it."""
        self.life, self.dated, self.empty_source = life, dated, empty_source
        self.done = replace(HIDDEN, visible=visible, has_start_date=dated)

    # A copy is looked up at least about ten times, as housekeeping does.
    @rule(share=st.floats(0.001, 0.1))
    def time_passes(self, share: float) -> None:
        self.now += share * self.life
        self.age += share * self.life if self.alive else 0.0

    @precondition(lambda self: self.stalls < STALLS_MOST)
    @rule(seconds=st.floats(1, 100_000))
    def time_passes_without_a_change(self, seconds: float) -> None:
        """Let time pass without any change, as if Moodle stood still or a clock was set forward."""
        self.stalls += 1
        self.now += seconds
        self.look_once_more()

    @rule()
    def php_dies(self) -> None:
        self.alive = self.alive and self.step() == len(SHARES)

    @rule(stranger=st.sampled_from(STRANGERS))
    def somebody_makes_a_course(self, stranger: CourseSnapshot) -> None:
        self.strangers = [one for one in self.strangers if one.id != stranger.id] + [stranger]

    @rule(target=looks)
    def look_once_more(self) -> Observation:
        self.wrong_in_a_row = 0
        return self.told(self.look((1 if self.empty_source else 4) if self.step() >= 3 else 0))

    # Answers that are wrong in the same way for a whole duration cannot be detected.
    @precondition(lambda self: self.wrong_in_a_row < 5)
    @rule(target=looks, sections=st.integers(0, 5))
    def look_at_the_contents_of_another_course(self, sections: int) -> Observation:
        self.wrong_in_a_row += 1
        return self.told(self.look(sections))

    @rule(look=looks)
    def be_told_again(self, look: Observation) -> None:
        self.told(look)

    def told(self, look: Observation) -> Observation:
        before = self.evidence.course_id
        self.evidence = apply_observation(self.evidence, WANTED, look)
        assert self.evidence.course_id == before or before is None
        return look

    def look(self, sections: int) -> Observation:
        renamed = replace(RENAMED, has_start_date=self.dated)
        shown = (None, HIDDEN, renamed, renamed, self.done)[self.step()]
        if shown is not None:
            shown = replace(shown, sections=sections, activities=0 if self.empty_source else 2 * sections)
        there = {one.id: one for one in (*self.strangers, *([shown] if shown else []))}
        followed = [self.evidence.own.id] if self.evidence.own else [course.id for course in self.evidence.candidates]
        found = {id: there[id] for id in followed if id in there}
        if self.evidence.own is None:
            found |= {
                id: one
                for id, one in there.items()
                if same_name(one.shortname, WANTED.shortname) or is_temporary_short_name(one.shortname, "SRC")
            }
        missing = frozenset(id for id in followed if id not in there)
        return Observation(self.now, tuple(found.values()), missing, self.evidence.own is None)

    def step(self) -> int:
        ends = [sum(SHARES[: number + 1]) * self.life for number in range(len(SHARES))]
        return next((number for number, end in enumerate(ends) if self.age < end), len(SHARES))

    @invariant()
    def no_other_course_is_taken_for_the_copy(self) -> None:
        assert self.evidence.course_id in (None, OURS)

    @invariant()
    def finished_verdict_is_right(self) -> None:
        if self.verdict() == Verdict.FINISHED:
            assert self.step() == len(SHARES)

    @invariant()
    def partial_verdict_means_that_php_has_died(self) -> None:
        if self.verdict() == Verdict.PARTIAL:
            assert not self.alive

    @invariant()
    def likely_partial_copy_has_stopped(self) -> None:
        """Check that a course counts as probably partial only after it was unchanged, unlike a running copy."""
        if self.verdict() == Verdict.LIKELY_PARTIAL and OURS in {one.id for one in self.evidence.candidates}:
            assert not self.alive

    def verdict(self) -> Verdict:
        return judge(self.evidence, max(STILL_LEAST, self.life))


OneCopy.TestCase.settings = settings(max_examples=150, stateful_step_count=60)
TestOneCopy = OneCopy.TestCase
