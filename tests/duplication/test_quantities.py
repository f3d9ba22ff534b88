"""Tests numbers in sentences."""

from dupdash.duplication.quantities import counted, times


def test_noun_is_singular_only_after_one() -> None:
    assert [counted(count, "section") for count in range(3)] == ["0 sections", "1 section", "2 sections"]
    assert [counted(count, "activity", "activities") for count in (1, 2)] == ["1 activity", "2 activities"]


def test_one_time_is_once() -> None:
    assert [times(count) for count in (1, 2)] == ["once", "2 times"]
