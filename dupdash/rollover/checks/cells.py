"""Parses the cells of a row: visibility, options, start time and dates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.course_dates import site_zone
from dupdash.moodle import options
from dupdash.rollover.reading.cell_values import NO, UnclearValue, read_date, read_flag, read_moment
from dupdash.rollover.reading.columns import OPTION_NAMES, OTHER_ACTIONS

T = TypeVar("T")


@dataclass
class Cells:
    """The parsed values of a row. ``problems``: a message for each column whose cell cannot be parsed."""

    visible: bool
    options: dict[str, int]
    start: datetime | None = None
    startdate: date | None = None
    enddate: date | None = None
    problems: dict[str, str] = field(default_factory=dict)


def read_cells(values: Mapping[str, str], default_options: Mapping[str, int], *, visible: bool) -> Cells:
    """Parse all cells of a row except source, names, ID number and category.

    ``default_options``, ``visible``: the values of the plan for empty cells.
    """
    cells = Cells(visible, dict(default_options))

    def read(column: str, parse: Callable[[str], T]) -> T | None:
        text = values.get(column, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except UnclearValue as error:
            cells.problems[column] = str(error)
            return None

    shown = read("visible", read_flag)
    cells.visible = visible if shown is None else shown
    for name in OPTION_NAMES:
        value = read(name, lambda text, name=name: _option(name, text))  # type: ignore[misc]
        if value is not None:
            cells.options[name] = value
    cells.start = read("start", _start)
    cells.startdate = read("startdate", _date)
    cells.enddate = read("enddate", _date)
    for name in OTHER_ACTIONS:
        text = values.get(name, "").strip()
        if text and text.casefold() not in NO:
            cells.problems[name] = f"This row asks Moodle to {name} a course. dupdash only copies: exclude the row."
    return cells


def _option(name: str, text: str) -> int:
    value = options.parse_value(name, text)
    return int(read_flag(text)) if value is None else value


def _date(text: str) -> date:
    return read_date(text, site_zone())


def _start(text: str) -> datetime:
    moment = read_moment(text, ZoneInfo(settings.TIME_ZONE))
    if moment <= timezone.now():
        raise UnclearValue(f"The time to start, {text}, has passed. Clear the cell to start with the others.")
    return moment
