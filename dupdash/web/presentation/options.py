"""Presents the ten options in groups, for the request form and the job page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth.models import User

from dupdash.accounts import access
from dupdash.moodle.driver_abilities import Driver
from dupdash.moodle.options import BY_NAME, OFF, ON, Group, OptionEffect, effects

GROUPS: dict[Group, str] = {
    "content": "Content",
    "people": "People",
    "history": "History of people’s work",
}


class Choice(NamedTuple):
    value: int
    label: str
    chosen: bool


@dataclass(frozen=True)
class Switch:
    """One option in the form, as ``_option.html`` shows it."""

    name: str
    label: str
    help: str
    checked: bool
    needs: str
    needs_labels: str
    disabled: bool
    reason: str
    # Why the site does not support the chosen value.
    error: str
    # The values of an option that has more than "off" and "on".
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class SwitchGroup:
    label: str
    switches: tuple[Switch, ...]


def switches(chosen: Mapping[str, int], user: User, driver: Driver) -> list[SwitchGroup]:
    """Return the switches in groups, with help texts for this driver.

    A switch that is on stays on if an option that it needs is off.
    """
    resolved = effects(chosen, driver)
    return [
        SwitchGroup(label, tuple(_switch(one, chosen, user, driver) for one in resolved if one.option.group == group))
        for group, label in GROUPS.items()
    ]


def _switch(one: OptionEffect, chosen: Mapping[str, int], user: User, driver: Driver) -> Switch:
    option, behaviour = one.option, one.option.behaviours[driver]
    refused = option.carries_user_data and not access.may_copy_user_data(user)
    # Without the options that it needs, this option has no effect, so even an unsupported value is accepted. The
    # switch then shows "on" if the site supports no other value once those options are on.
    must_be_on = bool(behaviour.effects[OFF].refusal) and not one.needs_are_on
    choices = tuple(
        Choice(value, label, int(chosen.get(option.name, OFF)) == value)
        for value, label in enumerate(behaviour.choices)
        if not (refused and value == ON)
    )
    labels = " and ".join(f"“{BY_NAME[name].label}”" for name in option.needs)
    reason = f"Has no effect without {labels}." if labels else ""
    return Switch(
        name=option.name,
        label=option.label,
        help=f"{option.explanation} {behaviour.note}".rstrip(),
        checked=(bool(chosen.get(option.name)) or must_be_on) and not refused,
        needs=" ".join(option.needs),
        needs_labels=labels,
        disabled=refused and not choices,
        reason="" if refused or choices else reason,
        error=one.effect.refusal,
        choices=choices,
    )


def why_disabled(groups: Iterable[SwitchGroup]) -> str:
    """Explain in one sentence why some switches are disabled; "" if none is disabled."""
    refused = any(switch.disabled for group in groups for switch in group.switches)
    return "Only course administrators can copy people’s data, so those options are off." if refused else ""


@dataclass(frozen=True)
class OptionSummary:
    """The labels of the parts of the source that a copy includes, and of those that it leaves out."""

    included: tuple[str, ...]
    left_out: tuple[str, ...]
    # What the copy gets instead of the parts that it leaves out.
    instead: tuple[str, ...]


def summarize(chosen: Mapping[str, int], driver: Driver) -> OptionSummary:
    resolved = effects(chosen, driver)
    return OptionSummary(
        tuple(one.option.label for one in resolved if one.value),
        tuple(one.option.label for one in resolved if not one.value),
        tuple(one.effect.copy for one in resolved if one.effect.copy and not one.needs_are_on),
    )
