"""Creates CSV files and workbooks for tests, as spreadsheet programs and people write them."""

import io
from collections.abc import Iterable
from typing import Any

import openpyxl

from dupdash.rollover.reading.table import Table, UnreadableFile, read_table

HEADINGS = "source,fullname,shortname,category"
ROW = "BIO101-2026S1,Introduction to Biology,BIO101-2027S1,8"
LIST = f"{HEADINGS}\n{ROW}\n"


def read(content: str | bytes, *, rows_most: int = 5000) -> Table:
    return read_table(content.encode() if isinstance(content, str) else content, rows_most=rows_most)


def workbook(*rows: Iterable[Any], formats: dict[str, str] | None = None, **other_sheets: str) -> bytes:
    """Return a workbook with these rows. ``formats``: number formats by cell, for example {"A2": "00000"}."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Courses"
    for row in rows:
        sheet.append(list(row))
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    for title, text in other_sheets.items():
        book.create_sheet(title).append([text])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def why_unreadable(content: bytes) -> str:
    """Return why a file cannot be read, or "" if it has rows. Any other outcome is an error."""
    try:
        table = read(content, rows_most=50)
    except UnreadableFile as error:
        return str(error)
    assert table.rows
    return ""
