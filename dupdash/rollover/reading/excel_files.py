"""Reads Excel workbooks (XLSX) with openpyxl. Every cell becomes text, and ``CellKind`` says how it was stored."""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from dupdash.rollover.reading.errors import UnreadableFile
from dupdash.rollover.reading.raw_rows import Cell, CellKind, Record, Records

ZIP_START = b"PK\x03\x04"
# The first bytes of .xls files, and of .xlsx files with a password.
OLE_START = b"\xd0\xcf\x11\xe0"
# The limit for the unpacked size, because a small file may unpack to a very large one.
UNPACKED_MOST = 100 * 2**20
_ZEROS = re.compile(r"0+")
DAMAGED = "This Excel workbook is damaged and cannot be read. Open it in Excel, save it again, and try once more."


def read_workbook(content: bytes) -> Records:
    """Return the records of the sheet that was open when the workbook was saved. Raises UnreadableFile."""
    _require_workbook(content)
    try:
        with warnings.catch_warnings():
            # openpyxl warns about styles and extensions, which do not matter here.
            warnings.simplefilter("ignore")
            results = _load(content, results=True)
            shown = [sheet for sheet in results.worksheets if sheet is results.active]
            sheet = next(iter([*shown, *results.worksheets]), None)
    except Exception as error:
        # For a damaged file, openpyxl raises exceptions of many kinds.
        raise UnreadableFile(DAMAGED) from error
    if sheet is None:
        raise UnreadableFile("This workbook has no sheet with cells.")
    others = [other.title for other in results.worksheets if other.title != sheet.title]
    notes = (f"Only the sheet “{sheet.title}” was read. Not read: {', '.join(others)}.",) if others else ()
    formulas = _formulas(content, sheet.title) if _has_formulas(content) else None
    return Records(_rows(sheet, formulas), f"Excel workbook, sheet “{sheet.title}”", notes)


def _load(content: bytes, *, results: bool) -> Any:
    """Return the workbook. ``results``: whether to read the stored results of formulas instead of the formulas."""
    # Imported here because openpyxl needs 10 MiB, and most web processes never read a workbook.
    import openpyxl

    return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=results)


def _require_workbook(content: bytes) -> None:
    if content.startswith(OLE_START):
        raise UnreadableFile(
            "This is an Excel file of the old kind (.xls), or it has a password. Save it without a password as an "
            "Excel workbook (.xlsx) or as CSV."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:
        # For a damaged archive, zipfile raises exceptions of many kinds.
        raise UnreadableFile(DAMAGED) from error
    if "content.xml" in names:
        raise UnreadableFile(
            "This is an OpenDocument spreadsheet. Save it as an Excel workbook (.xlsx) or as CSV, and upload that."
        )
    if "xl/workbook.xml" not in names:
        raise UnreadableFile("This is a ZIP archive, not an Excel workbook. Upload a .xlsx or CSV file.")
    if unpacked > UNPACKED_MOST:
        raise UnreadableFile("This workbook is too large when it is unpacked. Save only the list in a new workbook.")


def _has_formulas(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        return any(re.search(rb"<f[ >/]", archive.read(name)) for name in sheets)


def _formulas(content: bytes, title: str) -> set[tuple[int, int]]:
    """Return the row and column of each formula.

    They are needed because a formula without a stored result looks empty.
    """
    workbook = _load(content, results=False)
    return {
        (cell.row, cell.column)
        for row in workbook[title].iter_rows()
        for cell in row
        if cell.value is not None and getattr(cell, "data_type", "") == "f"
    }


def _rows(sheet: Any, formulas: set[tuple[int, int]] | None) -> Iterator[Record]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, row in enumerate(sheet.iter_rows(min_row=1, min_col=1), start=1):
                cells = [_cell(cell) for cell in row]
                for place, cell in enumerate(cells, start=1):
                    if formulas and not cell.text and (number, place) in formulas:
                        cells[place - 1] = Cell("(formula)", CellKind.FORMULA)
                yield Record(number, cells)
    except Exception as error:
        # openpyxl parses the rows only while they are iterated.
        raise UnreadableFile(DAMAGED) from error


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return EMPTY
    if isinstance(value, str):
        return Cell(value, CellKind.ERROR if cell.data_type == "e" else CellKind.TEXT)
    if isinstance(value, bool):
        return Cell("1" if value else "0", CellKind.NUMBER)
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return Cell(value.strftime("%Y-%m-%d") if midnight else value.isoformat(" ", "minutes"), CellKind.DATE)
    if isinstance(value, date | time | timedelta):
        return Cell(str(value), CellKind.DATE)
    return _number(value, str(cell.number_format or ""))


def _number(value: float, shown_as: str) -> Cell:
    """Return a number as the spreadsheet shows it: the code 00123 may be the number 123 with a format of zeros."""
    whole = isinstance(value, int) or value.is_integer()
    text = str(int(value)) if whole and abs(value) < 10**15 else repr(value)
    if _ZEROS.fullmatch(shown_as) and whole and value >= 0:
        text = text.zfill(len(shown_as))
    exponent = "E+" in shown_as.upper() or "e" in text
    return Cell(text, CellKind.EXPONENT if exponent else CellKind.NUMBER)


EMPTY = Cell("")
