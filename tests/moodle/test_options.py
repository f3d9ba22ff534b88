import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.moodle.options import BY_NAME, OPTIONS, defaults, effective, to_wire

chosen = st.dictionaries(st.sampled_from(sorted(BY_NAME)), st.booleans())


def test_it_lists_the_ten_in_moodles_order_with_moodles_defaults() -> None:
    assert {name: int(value) for name, value in defaults().items()} == {
        "activities": 1,
        "blocks": 1,
        "filters": 1,
        "users": 0,
        "enrolments": 1,
        "role_assignments": 0,
        "comments": 0,
        "userscompletion": 0,
        "logs": 0,
        "grade_histories": 0,
    }
    assert list(defaults()) == [option.name for option in OPTIONS]


def test_every_option_says_what_it_is_in_one_line() -> None:
    for option in OPTIONS:
        assert option.label
        assert option.explanation.endswith(".")
        assert "\n" not in option.explanation


def test_an_option_comes_after_those_it_needs() -> None:
    seen: set[str] = set()
    for option in OPTIONS:
        assert seen.issuperset(option.needs)
        seen.add(option.name)


def test_without_people_what_needs_them_is_off() -> None:
    everything_else = effective(dict.fromkeys(BY_NAME, True) | {"users": False})
    assert [name for name, value in everything_else.items() if value] == ["activities", "blocks", "filters"]


def test_grade_history_needs_activities_too() -> None:
    assert not effective({"users": True, "grade_histories": True, "activities": False})["grade_histories"]
    assert effective({"users": True, "grade_histories": True})["grade_histories"]


@given(chosen)
def test_all_ten_are_always_sent_as_0_or_1(options: dict[str, bool]) -> None:
    wire = to_wire(options)
    assert [item["name"] for item in wire] == list(BY_NAME)
    assert {item["value"] for item in wire} <= {0, 1}
    assert all(type(item["value"]) is int for item in wire)


@given(chosen)
def test_what_is_on_has_what_it_needs(options: dict[str, bool]) -> None:
    result = effective(options)
    for name, value in result.items():
        assert not value or all(result[need] for need in BY_NAME[name].needs)
        assert not value or options.get(name, BY_NAME[name].default)
    assert effective(result) == result


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match="bogus"):
        to_wire({"bogus": True})
