"""The ten options, in groups, for the form and for the page of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dupdash.accounts import access
from dupdash.moodle.options import BY_NAME, OPTIONS, DuplicationOption, Group

if TYPE_CHECKING:
    from django.contrib.auth.models import User

GROUPS: dict[Group, str] = {
    "content": "Content",
    "people": "People",
    "history": "History of people’s work",
}


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


@dataclass(frozen=True)
class SwitchGroup:
    label: str
    switches: tuple[Switch, ...]


def switches(chosen: Mapping[str, bool], user: "User") -> list[SwitchGroup]:
    """The switches in groups. What was chosen is shown so even where what it needs is off: it comes back with that."""
    return [
        SwitchGroup(label, tuple(_switch(option, chosen, user) for option in OPTIONS if option.group == group))
        for group, label in GROUPS.items()
    ]


def _switch(option: DuplicationOption, chosen: Mapping[str, bool], user: "User") -> Switch:
    refused = "users" in (option.name, *option.needs) and not access.may_copy_user_data(user)
    labels = " and ".join(f"“{BY_NAME[name].label}”" for name in option.needs)
    reason = f"Has no effect without {labels}." if labels else ""
    return Switch(
        name=option.name,
        label=option.label,
        help=option.explanation,
        checked=bool(chosen.get(option.name)) and not refused,
        needs=" ".join(option.needs),
        needs_labels=labels,
        disabled=refused,
        reason="Only course administrators may have people’s data copied." if refused else reason,
    )


@dataclass(frozen=True)
class Taken:
    """What a copy takes over from its source, and what it leaves."""

    along: tuple[str, ...]
    left: tuple[str, ...]


def taken(chosen: Mapping[str, bool]) -> Taken:
    return Taken(
        tuple(option.label for option in OPTIONS if chosen.get(option.name)),
        tuple(option.label for option in OPTIONS if not chosen.get(option.name)),
    )
