"""The ten duplication options: their labels, what each driver sends for them, and their effect on the copy.

No other module lists them. Their names, defaults and order are those of Moodle's ``core_course_duplicate_course`` and
of the proposed ``core_course_async_duplicate_course``.

A stock Moodle (the synchronous driver) accepts nine of them. It answers ``setting_by_name_not_found`` to
``enrolments``: there the enrolment methods are always copied with the people, and never without them (measured on
Moodle 4.5.6).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict

from dupdash.moodle.driver_abilities import ASYNCHRONOUS, DRIVERS, PLUGIN, SYNCHRONOUS, Driver

Group = Literal["content", "people", "history"]
# The values of an option. ON has an effect only if the options in ``DuplicationOption.needs`` are on, too. Higher
# values need no other option.
OFF = 0
ON = 1
ALWAYS = 2

PEOPLE = "users"


class WireOption(TypedDict):
    """An option in the form in which Moodle's web services take it."""

    name: str
    value: int


@dataclass(frozen=True)
class Effect:
    """The effect of one value of an option, for one driver.

    ``copy``: what the copy gets or does not get, in a sentence; "" if there is nothing to say.
    ``refusal``: why the site cannot do this, and what to do instead; "" if it can.
    """

    copy: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Behaviour:
    """The way in which a driver treats an option.

    ``effects``: one for each value that the site supports, starting with 0.
    ``sent``: whether the request contains the option; a stock Moodle refuses an option that it does not know.
    ``without_needs``: the effect if the option is off because an option that it needs is off.
    ``note``: a hint for people about this option with this driver.
    ``choices``: the name of each value if there are more than two; otherwise empty.
    """

    effects: tuple[Effect, ...]
    sent: bool = True
    without_needs: str = ""
    note: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DuplicationOption:
    """One of the ten options: a part of the source that a copy can include.

    ``needs``: the other options that must be on if this one is to have an effect.
    """

    name: str
    label: str
    explanation: str
    group: Group
    behaviours: Mapping[Driver, Behaviour]
    default: bool = False
    needs: tuple[str, ...] = ()

    @property
    def values(self) -> range:
        """The values that at least one driver supports, starting with 0."""
        return range(max(len(behaviour.effects) for behaviour in self.behaviours.values()))

    @property
    def carries_user_data(self) -> bool:
        """Whether a copy contains personal data if this option is ON: it is ``users``, or needs ``users``.

        With ALWAYS, the option works without people, so the copy contains no personal data because of it.
        """
        return PEOPLE in (self.name, *self.needs)


class OptionEffect(NamedTuple):
    """The effect of one option on one copy."""

    option: DuplicationOption
    value: int
    needs_are_on: bool
    effect: Effect


class UnsupportedOptions(ValueError):
    """The site cannot make a copy with these options. The message names each such option and the reason."""


def _same_at_every_site(*, off: str = "", on: str = "") -> Mapping[Driver, Behaviour]:
    behaviour = Behaviour(effects=(Effect(off), Effect(on)))
    return dict.fromkeys(DRIVERS, behaviour)


_DEFAULT_METHODS = "The source’s enrolment methods: the copy gets the site’s default ones."

OPTIONS: tuple[DuplicationOption, ...] = (
    DuplicationOption(
        name="activities",
        label="Activities and resources",
        explanation="Assignments, quizzes, forums, files, pages and all other content of the course.",
        default=True,
        group="content",
        behaviours=_same_at_every_site(off="All activities and resources: the sections will be empty."),
    ),
    DuplicationOption(
        name="blocks",
        label="Blocks",
        explanation="The boxes beside the content, such as a calendar or a list of links.",
        default=True,
        group="content",
        behaviours=_same_at_every_site(off="The blocks beside the content."),
    ),
    DuplicationOption(
        name="filters",
        label="Filters",
        explanation="How this course displays text, for example formulas and embedded media.",
        default=True,
        group="content",
        behaviours=_same_at_every_site(off="The course’s own filter settings: the site’s settings apply."),
    ),
    DuplicationOption(
        name=PEOPLE,
        label="People and their work",
        explanation=(
            "Everyone enrolled in the source, with what they made there: submissions, quiz attempts, forum "
            "posts and grades. This is personal data; leave it off for a fresh start."
        ),
        group="people",
        behaviours=_same_at_every_site(
            off="Everybody in the source and what they did there: no people, submissions, grades or posts.",
            on="The people enrolled in the source and what they did there.",
        ),
    ),
    DuplicationOption(
        name="enrolments",
        label="Enrolment methods",
        explanation="The ways into the course, such as self-enrolment with its key.",
        default=True,
        needs=(PEOPLE,),
        group="people",
        behaviours={
            SYNCHRONOUS: Behaviour(
                sent=False,
                effects=(
                    Effect(
                        refusal=(
                            "This Moodle always copies the enrolment methods together with the people. Switch "
                            "“Enrolment methods” on, or “People and their work” off."
                        )
                    ),
                    Effect(
                        "The source’s enrolment methods; only manual enrolment if dupdash’s Moodle account may not "
                        "configure enrolments."
                    ),
                ),
                without_needs=_DEFAULT_METHODS,
                note=(
                    "Enrolment methods are always copied together with the people. Without people, the copy gets the "
                    "site’s default enrolment methods."
                ),
            ),
            ASYNCHRONOUS: Behaviour(
                effects=(
                    Effect("The source’s enrolment methods: the people are enrolled manually in the copy."),
                    Effect("The source’s enrolment methods."),
                ),
                without_needs=_DEFAULT_METHODS,
                note=(
                    "Enrolment methods are copied only together with the people. Without people, the copy gets the "
                    "site’s default enrolment methods."
                ),
            ),
            PLUGIN: Behaviour(
                effects=(
                    Effect("The source’s enrolment methods: the people are enrolled manually in the copy."),
                    Effect("The source’s enrolment methods, if dupdash’s Moodle account may configure enrolments."),
                    Effect("The source’s enrolment methods, such as self-enrolment with its key."),
                ),
                without_needs=_DEFAULT_METHODS,
                choices=("Never", "With the people", "Always, even without people"),
            ),
        },
    ),
    DuplicationOption(
        name="role_assignments",
        label="Roles",
        explanation="Who is a teacher, an assistant or a student in the course.",
        needs=(PEOPLE,),
        group="people",
        behaviours=_same_at_every_site(
            off="The roles in the course: everybody is enrolled without a role.",
            on="The roles in the course, as far as dupdash’s Moodle account may assign them.",
        ),
    ),
    DuplicationOption(
        name="comments",
        label="Comments",
        explanation="The comments that people left in the course and its activities.",
        needs=(PEOPLE,),
        group="people",
        behaviours=_same_at_every_site(off="People’s comments."),
    ),
    DuplicationOption(
        name="userscompletion",
        label="Completion",
        explanation="Which activities each person has already completed.",
        needs=(PEOPLE,),
        group="history",
        behaviours=_same_at_every_site(off="Which activities each person has completed."),
    ),
    DuplicationOption(
        name="logs",
        label="Logs",
        explanation="The record of who opened and did what in the course, and when.",
        needs=(PEOPLE,),
        group="history",
        behaviours=_same_at_every_site(off="The record of who opened what and when."),
    ),
    DuplicationOption(
        name="grade_histories",
        label="Grade history",
        explanation="Every earlier value of each person’s grades, not only the current ones.",
        needs=(PEOPLE, "activities"),
        group="history",
        behaviours=_same_at_every_site(off="Earlier values of grades; the current ones are copied."),
    ),
)

BY_NAME: Mapping[str, DuplicationOption] = {option.name: option for option in OPTIONS}


def user_data(chosen: Mapping[str, int]) -> tuple[DuplicationOption, ...]:
    """Return those of the chosen options that put personal data into the copy."""
    return tuple(option for option in OPTIONS if option.carries_user_data and chosen.get(option.name) == ON)


def defaults() -> dict[str, bool]:
    """Return Moodle's defaults of all ten options. An option can be on although an option that it needs is off."""
    return {option.name: option.default for option in OPTIONS}


def parse_value(name: str, text: str) -> int | None:
    """Return the value that ``text`` names; None if there is no such option, or if it cannot have this value."""
    if name not in BY_NAME:
        return None
    return next((as_stored(value) for value in BY_NAME[name].values if text == str(value)), None)


def from_form(fields: Mapping[str, str]) -> dict[str, int]:
    """Return the values of all ten options from the fields of a form.

    A form omits a switch that is off. A field with any text that is not a value of the option means on.
    """
    return {
        option.name: as_stored(ON) if (value := parse_value(option.name, fields[option.name])) is None else value
        for option in OPTIONS
        if option.name in fields
    } | {option.name: as_stored(OFF) for option in OPTIONS if option.name not in fields}


def as_stored(value: int) -> int:
    """Return the form in which a value is stored: off and on as false and true, higher values as numbers."""
    return value if value > ON else bool(value)


def effective(chosen: Mapping[str, int]) -> dict[str, int]:
    """Return the value of each of the ten options in the copy.

    An option that is not in ``chosen`` has its default. An option with the value ON becomes OFF if an option that it
    needs is off. Raises ValueError for an unknown option.
    """
    return {option.name: as_stored(value) for option, value, _ in _resolve(chosen)}


def effects(chosen: Mapping[str, int], driver: Driver) -> list[OptionEffect]:
    """Return the effect of each of the ten options on a copy that this driver makes."""
    resolved = []
    for option, value, needs_are_on in _resolve(chosen):
        effect = _effect(option.behaviours[driver], value, needs_are_on)
        resolved.append(OptionEffect(option, value, needs_are_on, effect))
    return resolved


def _effect(behaviour: Behaviour, value: int, needs_are_on: bool) -> Effect:
    if not needs_are_on:
        return Effect(behaviour.without_needs)
    if value >= len(behaviour.effects):
        return Effect(refusal=f"This Moodle does not support the value {value}.")
    return behaviour.effects[value]


def refusal(chosen: Mapping[str, int], driver: Driver) -> str:
    """Return why this driver cannot make a copy with these options, in a sentence for each such option.

    Returns "" if it can.
    """
    return " ".join(
        f"{one.option.label} ({one.option.name}): {one.effect.refusal}"
        for one in effects(chosen, driver)
        if one.effect.refusal
    )


def to_wire(chosen: Mapping[str, int], driver: Driver) -> list[WireOption]:
    """Return the options that the driver sends to Moodle: every option of its service. An option without effect is 0.

    ``users`` is always sent, because without this option Moodle copies everybody. Raises UnsupportedOptions if the site
    cannot make a copy with these options, and ValueError for an unknown option.
    """
    if reason := refusal(chosen, driver):
        raise UnsupportedOptions(reason)
    return [
        WireOption(name=option.name, value=value)
        for option, value, _ in _resolve(chosen)
        if option.behaviours[driver].sent
    ]


def _resolve(chosen: Mapping[str, int]) -> Iterator[tuple[DuplicationOption, int, bool]]:
    """Yield each option, its effective value, and whether its needs are met.

    They are met if all options that it needs are on, or if its value is above ON.
    """
    unknown = sorted(set(chosen) - set(BY_NAME))
    if unknown:
        options = "option" if len(unknown) == 1 else "options"
        raise ValueError(f"Unknown duplication {options}: {', '.join(unknown)}. Known options: {', '.join(BY_NAME)}.")
    on: set[str] = set()
    for option in OPTIONS:  # in Moodle's order each option comes after the options that it needs
        needs_are_on = on.issuperset(option.needs)
        value = int(chosen.get(option.name, option.default))
        if value == ON and not needs_are_on:
            value = OFF
        if value:
            on.add(option.name)
        yield option, value, needs_are_on or value > ON
