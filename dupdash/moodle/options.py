"""The ten duplication options: what each one is, what each driver sends for it, and what the copy then gets.

This is the only place that lists them. Names, defaults and order are those of Moodle's ``core_course_duplicate_course``
and of the proposed ``core_course_async_duplicate_course``.

A stock Moodle (the synchronous driver) takes nine of them. It answers ``setting_by_name_not_found`` to ``enrolments``:
there the enrolment methods always come with the people, and never without them (measured on Moodle 4.5.6).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict

Group = Literal["content", "people", "history"]
Driver = Literal["synchronous", "asynchronous"]

SYNCHRONOUS: Driver = "synchronous"
ASYNCHRONOUS: Driver = "asynchronous"

# The values of an option. ON needs the options that ``DuplicationOption.needs`` lists; a higher value needs nothing.
OFF = 0
ON = 1

PEOPLE = "users"


class WireOption(TypedDict):
    """One option as Moodle takes it."""

    name: str
    value: int


@dataclass(frozen=True)
class Effect:
    """What one value of an option does at one kind of site.

    ``copy``: what the copy gets or does not get, in a sentence; "" where nothing needs to be said.
    ``refusal``: why this site cannot do it, and what to do instead; "" where it can.
    """

    copy: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Behaviour:
    """How one driver treats one option.

    ``effects``: one for each value that the site supports, beginning with 0.
    ``sent``: whether the option is in the request; a stock Moodle refuses an option that it does not know.
    ``without_needs``: what the copy gets where the option is off because an option that it needs is off.
    ``note``: what a person should know about this option at this kind of site.
    """

    effects: tuple[Effect, ...]
    sent: bool = True
    without_needs: str = ""
    note: str = ""


@dataclass(frozen=True)
class DuplicationOption:
    """One thing that a copy can take over from its source.

    ``needs``: the options that must be on, too, for this one to have an effect.
    """

    name: str
    label: str
    explanation: str
    default: bool
    needs: tuple[str, ...]
    group: Group
    behaviours: Mapping[Driver, Behaviour]

    @property
    def values(self) -> range:
        """Every value that some site supports, beginning with 0."""
        return range(max(len(behaviour.effects) for behaviour in self.behaviours.values()))

    @property
    def carries_user_data(self) -> bool:
        """Whether the copy holds people's data when this option is on."""
        return PEOPLE in (self.name, *self.needs)


class OptionEffect(NamedTuple):
    """What one option does in one copy."""

    option: DuplicationOption
    value: int
    needs_are_on: bool
    effect: Effect


class UnsupportedOptions(ValueError):
    """The site cannot make a copy with these options; the message names each option and the reason."""


def _same_at_every_site(*, off: str = "", on: str = "") -> Mapping[Driver, Behaviour]:
    behaviour = Behaviour(effects=(Effect(off), Effect(on)))
    return {SYNCHRONOUS: behaviour, ASYNCHRONOUS: behaviour}


_DEFAULT_METHODS = "The source’s enrolment methods: the copy gets the site’s default ones."

OPTIONS: tuple[DuplicationOption, ...] = (
    DuplicationOption(
        name="activities",
        label="Activities and resources",
        explanation="Assignments, quizzes, forums, files, pages and all other content of the course.",
        default=True,
        needs=(),
        group="content",
        behaviours=_same_at_every_site(off="All activities and resources: the sections will be empty."),
    ),
    DuplicationOption(
        name="blocks",
        label="Blocks",
        explanation="The boxes beside the content, such as a calendar or a list of links.",
        default=True,
        needs=(),
        group="content",
        behaviours=_same_at_every_site(off="The blocks beside the content."),
    ),
    DuplicationOption(
        name="filters",
        label="Filters",
        explanation="How this course displays text, for example formulas and embedded media.",
        default=True,
        needs=(),
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
        default=False,
        needs=(),
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
                note="They always come with the people; without people, the copy gets the site’s default ones.",
            ),
            ASYNCHRONOUS: Behaviour(
                effects=(
                    Effect("The source’s enrolment methods: the people are enrolled manually in the copy."),
                    Effect("The source’s enrolment methods."),
                ),
                without_needs=_DEFAULT_METHODS,
                note="They come only with the people; without people, the copy gets the site’s default ones.",
            ),
        },
    ),
    DuplicationOption(
        name="role_assignments",
        label="Roles",
        explanation="Who is a teacher, an assistant or a student in the course.",
        default=False,
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
        default=False,
        needs=(PEOPLE,),
        group="people",
        behaviours=_same_at_every_site(off="People’s comments."),
    ),
    DuplicationOption(
        name="userscompletion",
        label="Completion",
        explanation="Which activities each person has already completed.",
        default=False,
        needs=(PEOPLE,),
        group="history",
        behaviours=_same_at_every_site(off="Which activities each person has completed."),
    ),
    DuplicationOption(
        name="logs",
        label="Logs",
        explanation="The record of who opened and did what in the course, and when.",
        default=False,
        needs=(PEOPLE,),
        group="history",
        behaviours=_same_at_every_site(off="The record of who opened what and when."),
    ),
    DuplicationOption(
        name="grade_histories",
        label="Grade history",
        explanation="Every earlier value of each person’s grades, not only the current ones.",
        default=False,
        needs=(PEOPLE, "activities"),
        group="history",
        behaviours=_same_at_every_site(off="Earlier values of grades; the current ones are copied."),
    ),
)

BY_NAME: Mapping[str, DuplicationOption] = {option.name: option for option in OPTIONS}


def defaults() -> dict[str, bool]:
    """All ten with Moodle's defaults, as a person would choose them; ``effective`` applies their needs."""
    return {option.name: option.default for option in OPTIONS}


def parse_value(name: str, text: str) -> int | None:
    """The value of an option that a text stands for; None for a name that is no option or a value that it lacks."""
    if name not in BY_NAME:
        return None
    return next((as_stored(value) for value in BY_NAME[name].values if text == str(value)), None)


def as_stored(value: int) -> int:
    """Off and on are stored as false and true; a higher value as the number that it is."""
    return value if value > ON else bool(value)


def effective(chosen: Mapping[str, int]) -> dict[str, int]:
    """All ten as they will work: an option whose needs are off is off; one that was not chosen has its default.

    Raises ValueError for a name that is no option.
    """
    return {option.name: as_stored(value) for option, value, _ in _resolve(chosen)}


def effects(chosen: Mapping[str, int], driver: Driver) -> list[OptionEffect]:
    """What each of the ten does in a copy that this driver makes."""
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
    """Why this driver cannot make a copy with these options, naming each option; "" where it can."""
    return " ".join(
        f"{one.option.label} ({one.option.name}): {one.effect.refusal}"
        for one in effects(chosen, driver)
        if one.effect.refusal
    )


def to_wire(chosen: Mapping[str, int], driver: Driver) -> list[WireOption]:
    """What the driver sends to Moodle: every option that its service has, those without effect as 0.

    ``users`` must always be sent: Moodle copies everybody where it is left out. Raises UnsupportedOptions where the
    site cannot do it, and ValueError for a name that is no option.
    """
    if reason := refusal(chosen, driver):
        raise UnsupportedOptions(reason)
    return [
        WireOption(name=option.name, value=value)
        for option, value, _ in _resolve(chosen)
        if option.behaviours[driver].sent
    ]


def _resolve(chosen: Mapping[str, int]) -> Iterator[tuple[DuplicationOption, int, bool]]:
    """Each option with its value in effect, and whether the options that it needs are on."""
    unknown = sorted(set(chosen) - set(BY_NAME))
    if unknown:
        raise ValueError(f"Unknown duplication option: {', '.join(unknown)}. There are: {', '.join(BY_NAME)}.")
    on: set[str] = set()
    for option in OPTIONS:  # in Moodle's order every option comes after those it needs
        needs_are_on = on.issuperset(option.needs)
        value = int(chosen.get(option.name, option.default))
        if value == ON and not needs_are_on:
            value = OFF
        if value:
            on.add(option.name)
        yield option, value, needs_are_on or value > ON
