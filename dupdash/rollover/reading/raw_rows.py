"""Defines the rows of a file as the readers return them, before the columns are recognised."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class CellKind(Enum):
    """How a spreadsheet stored a cell: as text, number, date and so on.

    The number in a cell may not be what the person typed: 3E5 becomes 300000.
    """

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
    kind: CellKind = CellKind.TEXT


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
    """All records of a file. ``notes``: sentences about what was not read.

    ``kind``: a description of the file format for people, for example "Excel workbook, sheet “Copies”".
    """

    rows: Iterator[Record]
    kind: str
    notes: tuple[str, ...] = ()
