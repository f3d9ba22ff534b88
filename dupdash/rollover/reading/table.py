"""Reads a CSV file or an Excel workbook into a table of rows. Other packages read files only through this module."""

from collections.abc import Iterable
from dataclasses import dataclass

from dupdash.rollover.reading import columns
from dupdash.rollover.reading.columns import Column, Kind
from dupdash.rollover.reading.csv_files import read_delimited
from dupdash.rollover.reading.errors import UnreadableFile
from dupdash.rollover.reading.excel_files import OLE_START, ZIP_START, read_workbook
from dupdash.rollover.reading.formula_protection import restore
from dupdash.rollover.reading.raw_rows import Cell, CellKind, Record, Records

# The longest cell that is accepted. No name, code or date is longer.
CELL_LONGEST = 4000


@dataclass(frozen=True)
class Heading:
    """A heading as it is written, and the column that it names; None if dupdash does not use such a column."""

    text: str
    column: Column | None


@dataclass(frozen=True)
class CellProblem:
    """A problem of one cell. ``column`` is "" if the problem concerns the whole row."""

    column: str
    message: str


@dataclass(frozen=True)
class Row:
    """A row. ``values``: the cells of columns that dupdash uses. ``others``: the other cells, by heading."""

    number: int
    values: dict[str, str]
    others: dict[str, str]
    problems: tuple[CellProblem, ...] = ()


@dataclass(frozen=True)
class Table:
    """The content of a file. ``notes``: sentences about what was not read.

    ``kind``: a description of the file format for people, for example "Excel workbook, sheet “Copies”".
    """

    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    kind: str
    notes: tuple[str, ...]


def read_table(content: bytes, *, rows_most: int) -> Table:
    """Read a CSV file or an Excel workbook.

    Raises UnreadableFile, also for a file with more than ``rows_most`` rows below its headings.
    """
    records = read_workbook(content) if content.startswith((ZIP_START, OLE_START)) else read_delimited(content)
    filled = (record for record in records.rows if not record.is_blank)
    first = next(filled, None)
    if first is None:
        raise UnreadableFile("The file is empty. Its first row must contain the headings of the columns.")
    headings = _headings(first)
    rows: list[Row] = []
    for record in filled:
        if len(rows) >= rows_most:
            raise UnreadableFile(f"The file has more than {rows_most:,} rows. Divide it into several files.")
        rows.append(_row(record, headings))
    if not rows:
        raise UnreadableFile("The file has headings, but no row below them.")
    return Table(headings, tuple(rows), records.kind, (*records.notes, *_left_out(headings)))


def _headings(record: Record) -> tuple[Heading, ...]:
    texts = [" ".join(restore(cell.text).split()) for cell in record.cells]
    while texts and not texts[-1]:
        texts.pop()
    headings = tuple(
        Heading(text, None if columns.is_added_by_dupdash(text) else columns.column_of(text)) for text in texts
    )
    if not any(heading.column for heading in headings):
        found = ", ".join(f"“{text[:40]}”" for text in texts[:10])
        raise UnreadableFile(
            f"No known column was found. Row {record.number} must contain the headings, for example source, fullname, "
            f"shortname and category. It contains: {found}."
        )
    _require_distinct(headings)
    return headings


def _require_distinct(headings: Iterable[Heading]) -> None:
    seen: dict[str, str] = {}
    for heading in headings:
        key = columns.key_of(heading.text) if heading.column is None else heading.column.name
        if key and key in seen:
            both = (
                f"Two columns have the heading “{heading.text}”."
                if seen[key] == heading.text
                else f"The headings “{seen[key]}” and “{heading.text}” name the same column."
            )
            raise UnreadableFile(f"{both} Remove or rename one of them.")
        seen[key] = heading.text


def _row(record: Record, headings: tuple[Heading, ...]) -> Row:
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    problems = []
    cells = [*record.cells, *[Cell("")] * (len(headings) - len(record.cells))]
    for heading, cell in zip(headings, cells, strict=False):
        text = restore(cell.text).strip()
        if len(text) > CELL_LONGEST:
            problems.append(
                CellProblem("", f"The cell in column “{heading.text}” has more than {CELL_LONGEST} characters.")
            )
            text = text[:CELL_LONGEST]
        if heading.column is not None:
            values[heading.column.name] = text
            problems += _problems_of(cell, heading.column)
        elif heading.text and text and not columns.is_added_by_dupdash(heading.text):
            others[heading.text] = text
    if any(cell.text.strip() for cell in cells[len(headings) :]):
        message = (
            "The row has more cells than there are headings. Add the missing headings. In a CSV file, put quotation "
            "marks around cells that contain the delimiter."
        )
        problems.append(CellProblem("", message))
    return Row(record.number, values, others, tuple(problems))


_CHANGED = "Format the column as text in the spreadsheet, and type the code again."


def _problems_of(cell: Cell, column: Column) -> list[CellProblem]:
    """Return the problems of a cell.

    A problem is an error, a formula without a result, or a code that the spreadsheet program turned into a date or a
    number.
    """
    match cell.kind:
        case CellKind.ERROR:
            return [CellProblem(column.name, f"The cell shows the error {cell.text}.")]
        case CellKind.FORMULA:
            message = "The cell is a formula without a stored result. Replace the formula with its value."
            return [CellProblem(column.name, message)]
        case CellKind.DATE if column.kind in (Kind.TEXT, Kind.FLAG):
            message = (
                f"The spreadsheet contains the date {cell.text} here. If you typed a code such as 1-2, the spreadsheet"
            )
            return [CellProblem(column.name, f"{message} changed it. {_CHANGED}")]
        case CellKind.EXPONENT if column.kind is Kind.TEXT:
            message = (
                f"The spreadsheet contains the number {cell.text} here. "
                "If you typed a code such as 3E5, the spreadsheet"
            )
            return [CellProblem(column.name, f"{message} changed it. {_CHANGED}")]
    return []


def _left_out(headings: Iterable[Heading]) -> list[str]:
    unknown = [
        heading.text
        for heading in headings
        if heading.text and heading.column is None and not columns.is_added_by_dupdash(heading.text)
    ]
    if not unknown:
        return []
    if len(unknown) == 1:
        return [f"dupdash does not know this column and ignores it: {unknown[0]}. If you need it, correct its heading."]
    return [
        f"dupdash does not know these columns and ignores them: {', '.join(unknown)}. If you need one of them, correct "
        "its heading."
    ]


__all__ = ["CellProblem", "Heading", "Records", "Row", "Table", "UnreadableFile", "read_table"]
