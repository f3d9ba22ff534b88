"""Tests the duplication options: defaults, dependencies, and what each driver sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.moodle.driver_abilities import ASYNCHRONOUS, DRIVERS, PLUGIN, SYNCHRONOUS, Driver
from dupdash.moodle.options import (
    BY_NAME,
    OPTIONS,
    UnsupportedOptions,
    defaults,
    effective,
    effects,
    parse_value,
    refusal,
    to_wire,
    user_data,
)
from tests.captures import capture

chosen = st.dictionaries(st.sampled_from(sorted(BY_NAME)), st.booleans())


def test_options_have_moodles_order_and_defaults() -> None:
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


def test_every_option_has_a_label_and_a_one_line_explanation() -> None:
    for option in OPTIONS:
        assert option.label
        assert option.explanation.endswith(".")
        assert "\n" not in option.explanation


def test_option_is_listed_after_the_options_that_it_needs() -> None:
    seen: set[str] = set()
    for option in OPTIONS:
        assert seen.issuperset(option.needs)
        seen.add(option.name)


def test_without_people_options_that_need_them_are_off() -> None:
    everything_else = effective(dict.fromkeys(BY_NAME, True) | {"users": False})
    assert [name for name, value in everything_else.items() if value] == ["activities", "blocks", "filters"]


def test_grade_history_needs_activities_too() -> None:
    assert not effective({"users": True, "grade_histories": True, "activities": False})["grade_histories"]
    assert effective({"users": True, "grade_histories": True})["grade_histories"]


@given(chosen, st.sampled_from(DRIVERS))
def test_sent_options_are_0_or_1_and_include_users(options: dict[str, bool], driver: Driver) -> None:
    try:
        wire = to_wire(options, driver)
    except UnsupportedOptions:
        assert driver == SYNCHRONOUS
        assert effective(options)["users"]
        assert not effective(options)["enrolments"]
        return
    names = [item["name"] for item in wire]
    assert names == [name for name in BY_NAME if name != "enrolments" or driver != SYNCHRONOUS]
    assert {item["name"]: item["value"] for item in wire} == {name: int(effective(options)[name]) for name in names}
    assert all(type(item["value"]) is int for item in wire)


def test_stock_moodle_gets_its_nine_options() -> None:
    sent = {item["name"]: item["value"] for item in to_wire({}, SYNCHRONOUS)}
    captured = capture("duplicate_nine_options")["request"]
    assert sent == {captured[f"options[{n}][name]"]: captured[f"options[{n}][value]"] for n in range(9)}


def test_stock_moodle_refuses_people_without_enrolment_methods() -> None:
    options = {"users": True, "enrolments": False}
    reason = refusal(options, SYNCHRONOUS)
    assert "Enrolment methods (enrolments)" in reason
    assert "together with the people" in reason
    with pytest.raises(UnsupportedOptions, match="enrolments"):
        to_wire(options, SYNCHRONOUS)
    assert refusal(options, ASYNCHRONOUS) == ""
    assert {"name": "enrolments", "value": 0} in to_wire(options, ASYNCHRONOUS)


@pytest.mark.parametrize("enrolments", [True, False])
@pytest.mark.parametrize("driver", DRIVERS)
def test_without_people_the_copy_gets_the_default_enrolment_methods(enrolments: bool, driver: Driver) -> None:
    options = {"users": False, "enrolments": enrolments}
    assert refusal(options, driver) == ""
    (effect,) = [one.effect for one in effects(options, driver) if one.option.name == "enrolments"]
    assert "default ones" in effect.copy


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_driver_describes_the_effect_of_each_option(driver: Driver) -> None:
    for option in OPTIONS:
        behaviour = option.behaviours[driver]
        assert len(behaviour.effects) > int(option.default)
        # An option that is on by default and off in this copy is always mentioned.
        off = behaviour.effects[0]
        assert off.copy or off.refusal
    assert [one.option for one in effects({}, driver)] == list(OPTIONS)


@given(chosen)
def test_option_that_is_on_has_the_options_that_it_needs(options: dict[str, bool]) -> None:
    result = effective(options)
    for name, value in result.items():
        assert not value or all(result[need] for need in BY_NAME[name].needs)
        assert not value or options.get(name, BY_NAME[name].default)
    assert effective(result) == result


def test_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match="bogus"):
        to_wire({"bogus": True}, SYNCHRONOUS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("users", "0", False), ("users", "1", True), ("users", "2", None), ("users", "1abc", None), ("bogus", "1", None)],
)
def test_option_value_is_parsed_if_the_option_has_it(name: str, text: str, value: int | None) -> None:
    assert parse_value(name, text) is value


def test_enrolment_methods_are_copied_always_by_the_plugin_alone() -> None:
    chosen = {"users": False, "enrolments": parse_value("enrolments", "2") or 0}
    assert effective(chosen)["enrolments"] == 2
    assert {"name": "enrolments", "value": 2} in to_wire(chosen, PLUGIN)
    (effect,) = [one.effect for one in effects(chosen, PLUGIN) if one.option.name == "enrolments"]
    assert "self-enrolment" in effect.copy
    for driver in (SYNCHRONOUS, ASYNCHRONOUS):
        assert "does not support the value 2" in refusal(chosen, driver)


@pytest.mark.parametrize(
    ("enrolments", "users", "names"),
    [(1, 1, ["users", "enrolments"]), (2, 1, ["users"]), (2, 0, []), (0, 0, [])],
)
def test_enrolment_methods_without_people_carry_no_user_data(enrolments: int, users: int, names: list[str]) -> None:
    chosen = effective({"enrolments": enrolments, "users": users})
    assert [option.name for option in user_data(chosen)] == names
