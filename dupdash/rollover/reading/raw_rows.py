"""Defines the rows of a file as the readers return them, before the columns are recognised."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Origin(Enum):
    """The kind of cell that a value comes from, where the kind can change the meaning of the value."""

    TEXT = auto()
    NUMBER = auto()
    # A number that the spreadsheet shows with an exponent. The digits that a person typed are lost.
    EXPONENT = auto()
    DATE = auto()
    ERROR = auto()
    # A formula without a result: the program that wrote the file did not store one.
    FORMULA = auto()


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    origin: Origin = Origin.TEXT


@dataclass(frozen=True)
class Record:
    """One row of a spreadsheet, with the row number that the spreadsheet program shows."""

    number: int
    cells: list[Cell]

    @property
    def is_blank(self) -> bool:
        return not any(cell.text.strip() for cell in self.cells)


@dataclass(frozen=True)
class Records:
    """All records of a file. ``kind``: how the file was read, as text. ``notes``: what was left out."""

    rows: Iterator[Record]
    kind: str
    notes: tuple[str, ...] = ()
