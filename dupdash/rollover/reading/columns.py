"""Defines the columns of a list of copies, and recognises them by their headings."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from dupdash.moodle.options import OPTIONS


class Kind(Enum):
    """The type of the values in a column. A date may have a time."""

    TEXT = auto()
    DATE = auto()
    FLAG = auto()


@dataclass(frozen=True)
class Column:
    """A column that dupdash uses. ``label`` is its name on pages."""

    name: str
    label: str
    kind: Kind = Kind.TEXT


SOURCE, TEMPLATE_COURSE = "source", "templatecourse"
CATEGORY, CATEGORY_IDNUMBER, CATEGORY_PATH = "category", "category_idnumber", "category_path"
OPTION_NAMES = tuple(option.name for option in OPTIONS)
# Columns of Moodle's “Upload courses” that request another action than creating a course.
OTHER_ACTIONS = ("delete", "rename", "reset")

KNOWN: dict[str, Column] = {
    column.name: column
    for column in (
        Column(SOURCE, "Source"),
        Column(TEMPLATE_COURSE, "Source"),
        Column("fullname", "Full name"),
        Column("shortname", "Short name"),
        Column(CATEGORY, "Category"),
        Column(CATEGORY_IDNUMBER, "Category (ID number)"),
        Column(CATEGORY_PATH, "Category (path)"),
        Column("visible", "Visible", Kind.FLAG),
        Column("startdate", "Start date", Kind.DATE),
        Column("enddate", "End date", Kind.DATE),
        Column("idnumber", "ID number"),
        Column("start", "Start", Kind.DATE),
        *(Column(option.name, option.label, Kind.FLAG) for option in OPTIONS),
        *(Column(name, name.capitalize()) for name in OTHER_ACTIONS),
    )
}
# Columns that dupdash adds to exported files. They are ignored when the file is read again.
ADDED_BY_DUPDASH = ("row", "problems", "state", "old id", "new id", "link", "error")


def key_of(heading: str) -> str:
    """Return a heading in the form in which headings are compared: without case, blanks and punctuation."""
    return re.sub(r"[\W_]+", "", heading.casefold())


_BY_KEY = {key_of(name): column for name, column in KNOWN.items()}
_ADDED = {key_of(heading) for heading in ADDED_BY_DUPDASH}


def column_of(heading: str) -> Column | None:
    """Return the column that a heading names, or None if dupdash does not use such a column."""
    return _BY_KEY.get(key_of(heading))


def is_added_by_dupdash(heading: str) -> bool:
    return key_of(heading) in _ADDED


def known_in(headings: list[str]) -> int:
    """Return how many of these headings name a column that dupdash uses."""
    return sum(column_of(heading) is not None for heading in headings)
