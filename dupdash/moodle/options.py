"""The ten duplication options: the one place that lists them.

Names, defaults and order are those of Moodle's ``core_course_duplicate_course`` and of the proposed
``core_course_async_duplicate_course``. What each needs was measured on Moodle 4.5.6: an option whose needs
are off is accepted and does nothing, so that it has to be shown as off before anything is sent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

Group = Literal["content", "people", "history"]


class WireOption(TypedDict):
    """One option as Moodle takes it: ``value`` is 0 or 1."""

    name: str
    value: int


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


OPTIONS: tuple[DuplicationOption, ...] = (
    DuplicationOption(
        name="activities",
        label="Activities and resources",
        explanation="Assignments, quizzes, forums, files, pages and whatever else was put into the course.",
        default=True,
        needs=(),
        group="content",
    ),
    DuplicationOption(
        name="blocks",
        label="Blocks",
        explanation="The boxes beside the content, such as a calendar or a list of links.",
        default=True,
        needs=(),
        group="content",
    ),
    DuplicationOption(
        name="filters",
        label="Filters",
        explanation="How this course displays text, for example formulas and embedded media.",
        default=True,
        needs=(),
        group="content",
    ),
    DuplicationOption(
        name="users",
        label="People and their work",
        explanation=(
            "Everyone enrolled in the source, with what they made there: submissions, quiz attempts, forum "
            "posts and grades. This is personal data; leave it off for a fresh start."
        ),
        default=False,
        needs=(),
        group="people",
    ),
    DuplicationOption(
        name="enrolments",
        label="Enrolment methods",
        explanation="The ways into the course, such as self-enrolment. Restored only together with people.",
        default=True,
        needs=("users",),
        group="people",
    ),
    DuplicationOption(
        name="role_assignments",
        label="Roles",
        explanation="Who is a teacher, an assistant or a student in the course.",
        default=False,
        needs=("users",),
        group="people",
    ),
    DuplicationOption(
        name="comments",
        label="Comments",
        explanation="The comments that people left in the course and its activities.",
        default=False,
        needs=("users",),
        group="people",
    ),
    DuplicationOption(
        name="userscompletion",
        label="Completion",
        explanation="Which activities each person has already completed.",
        default=False,
        needs=("users",),
        group="history",
    ),
    DuplicationOption(
        name="logs",
        label="Logs",
        explanation="The record of who opened and did what in the course, and when.",
        default=False,
        needs=("users",),
        group="history",
    ),
    DuplicationOption(
        name="grade_histories",
        label="Grade history",
        explanation="Every earlier value of each person's grades, not only those that count now.",
        default=False,
        needs=("users", "activities"),
        group="history",
    ),
)

BY_NAME: Mapping[str, DuplicationOption] = {option.name: option for option in OPTIONS}


def defaults() -> dict[str, bool]:
    """All ten with Moodle's defaults, as a person would choose them: what their needs make of them says
    ``effective``.
    """
    return {option.name: option.default for option in OPTIONS}


def effective(chosen: Mapping[str, bool]) -> dict[str, bool]:
    """All ten as they will work: one whose needs are off is off; one that was not chosen has its default.

    Raises ValueError for a name that is no option.
    """
    unknown = sorted(set(chosen) - set(BY_NAME))
    if unknown:
        raise ValueError(f"Unknown duplication option: {', '.join(unknown)}. There are: {', '.join(BY_NAME)}.")
    return dict(_effective(chosen))


def _effective(chosen: Mapping[str, bool]) -> Iterator[tuple[str, bool]]:
    on: set[str] = set()
    for option in OPTIONS:  # in Moodle's order every option comes after those it needs
        value = bool(chosen.get(option.name, option.default)) and on.issuperset(option.needs)
        if value:
            on.add(option.name)
        yield option.name, value


def to_wire(options: Mapping[str, bool]) -> list[WireOption]:
    """What is sent to Moodle: always all ten, each 0 or 1, those without effect as 0.

    Raises ValueError for a name that is no option.
    """
    return [{"name": name, "value": int(value)} for name, value in effective(options).items()]
