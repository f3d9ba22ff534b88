"""What every plot has: a drawing, what it says in a sentence, and the same figures as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dupdash.web.csv_files import Cell
from dupdash.web.insights.drawing import Drawing
from dupdash.web.presentation.durations import exactly

HEIGHT = 260


@dataclass(frozen=True)
class Legend:
    series: str
    label: str


@dataclass(frozen=True)
class Figure:
    """One of the numbers above the plots, as ``_figures.html`` shows it."""

    value: str
    label: str


@dataclass(frozen=True)
class Row:
    """A line of the table; ``url`` leads to the very copies it counts."""

    cells: tuple[Cell, ...]
    url: str = ""


@dataclass(frozen=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chart:
    """One plot. Without a drawing there was nothing to draw."""

    id: str
    title: str
    # For those who do not see it, and for those in a hurry.
    says: str
    drawing: Drawing | None
    table: Table
    # What a spreadsheet gets, where that is more than a page should show.
    file_heads: tuple[str, ...] = ()
    file_rows: Sequence[Sequence[Cell]] = ()
    legend: tuple[Legend, ...] = ()
    # What has to be known to read it rightly.
    note: str = ""
    figures: tuple[Figure, ...] = ()

    def downloaded(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        if self.file_heads:
            return self.file_heads, self.file_rows
        return self.table.heads, [row.cells for row in self.table.rows]


def lines(rows: Sequence[tuple[Cell, ...]]) -> tuple[Row, ...]:
    return tuple(Row(cells) for cells in rows)


def seconds(value: float) -> str:
    """A length of time: "0.4 s", "48 s", "4 min 12 s"."""
    return f"{value:.1f} s" if value < 10 else exactly(timedelta(seconds=value))


def some(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def tick(length: float) -> str:
    if length < 60:
        return f"{length:g} s"
    return f"{length / 60:g} min" if length < 3600 else f"{length / 3600:g} h"
