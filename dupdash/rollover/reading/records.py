"""What a file holds before its columns are known: one record for each row of the spreadsheet."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Origin(Enum):
    """Where the text of a cell comes from, as far as it matters for its meaning."""

    TEXT = auto()
    NUMBER = auto()
    # A number that the spreadsheet shows with an exponent: what was typed is not known.
    EXPONENT = auto()
    DATE = auto()
    ERROR = auto()
    # A formula whose result the program that wrote the file did not store.
    FORMULA = auto()


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    origin: Origin = Origin.TEXT


@dataclass(frozen=True)
class Record:
    """One row of the spreadsheet, with the number that the spreadsheet shows beside it."""

    number: int
    cells: list[Cell]

    @property
    def is_blank(self) -> bool:
        return not any(cell.text.strip() for cell in self.cells)


@dataclass(frozen=True)
class Records:
    """``kind``: how the file was read, in words. ``notes``: what was left out."""

    rows: Iterator[Record]
    kind: str
    notes: tuple[str, ...] = ()
