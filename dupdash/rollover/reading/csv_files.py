"""Reads CSV files: detects the delimiter, and yields records with the row numbers that a spreadsheet shows."""

import csv
import io
import re
from collections.abc import Iterator

from dupdash.rollover.reading.columns import known_in
from dupdash.rollover.reading.encodings import Undecodable, decode
from dupdash.rollover.reading.errors import UnreadableFile
from dupdash.rollover.reading.raw_rows import Cell, Record, Records

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# A first line "sep=;" sets the delimiter in Excel, which does not show the line as a row.
_SEPARATOR_LINE = re.compile(r'\A"?sep=(?P<delimiter>[^\r\n])"?[^\S\r\n]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
# A cell may be as long as a file may be. A missing quotation mark is detected in another way.
csv.field_size_limit(2**31 - 1)


def read_delimited(content: bytes) -> Records:
    """Return the records of a text file. Raises UnreadableFile, possibly only while the records are iterated."""
    try:
        text, encoding = decode(content)
    except Undecodable as error:
        raise _unreadable_byte(error) from None
    if "\0" in text:
        raise UnreadableFile("This is not a text file. Save the list as CSV or as an Excel workbook (.xlsx).")
    named = _SEPARATOR_LINE.match(text)
    if named:
        text = text[named.end() :]
    if not text.strip():
        raise UnreadableFile("The file is empty. Its first row must contain the headings of the columns.")
    delimiter = named["delimiter"] if named else _delimiter_of(text)
    if delimiter in '"\r\n':
        raise UnreadableFile(f"The first line names {delimiter!r} as the delimiter. Use a comma, a semicolon or a tab.")
    words = DELIMITERS.get(delimiter, f"“{delimiter}”")
    return Records(_rows(text, delimiter), f"Text with {words} between the cells, {encoding}")


def _delimiter_of(text: str) -> str:
    """Return the delimiter that gives the first row the most known headings.

    If several do, the number of cells decides.
    """

    def fitness(delimiter: str) -> tuple[int, int]:
        headings = _first_row(text, delimiter)
        return known_in(headings), len(headings)

    return max(DELIMITERS, key=fitness)


def _first_row(text: str, delimiter: str) -> list[str]:
    # Leading blank rows are skipped. The headings must be in the first lines.
    reader = csv.reader(io.StringIO(text.lstrip("\r\n")[:20_000], newline=""), delimiter=delimiter)
    try:
        return next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error:
        return []


def _rows(text: str, delimiter: str) -> Iterator[Record]:
    # ``newline=""`` keeps line breaks within quotation marks. A single CR ends a row.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _wrong_quotation_marks(number, error) from None
        yield Record(number, [Cell(text) for text in row])


def _wrong_quotation_marks(number: int, error: csv.Error) -> UnreadableFile:
    if "end of data" in str(error):
        return UnreadableFile(
            f"A quotation mark in row {number} is never closed, so everything after it is read as one cell. Close the "
            "quotation marks, and write a quotation mark within a cell twice."
        )
    return UnreadableFile(
        f"A cell in row {number} goes on after its closing quotation mark. Write a quotation mark within a cell twice."
    )


def _unreadable_byte(error: Undecodable) -> UnreadableFile:
    before = _SEPARATOR_LINE.sub("", error.before)
    # The number of the row that contains the invalid byte: the rows before it, and the incomplete row.
    reader = csv.reader(io.StringIO(before + "x", newline=""), delimiter=_delimiter_of(before))
    row = sum(1 for _ in reader)
    return UnreadableFile(
        f"The byte 0x{error.byte:02X} in row {row} cannot be read. Tried: {', '.join(error.tried)}. Save the list as "
        "“CSV UTF-8” or as an Excel workbook (.xlsx)."
    )
