"""Streams CSV files row by row, so that long files need no more memory than short ones."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from django.http import StreamingHttpResponse
from django.utils.timezone import get_default_timezone, get_default_timezone_name

# Excel needs it to recognise UTF-8.
BYTE_ORDER_MARK = "\ufeff"
# Spreadsheets treat a cell that begins with one of these as a formula, and course names are untrusted.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

# In many countries spreadsheets use a semicolon or a tab as the separator. Then a quotation mark within a cell protects
# nothing, and a new cell begins after each separator and line break.
_NEXT_FORMULA = re.compile(r"""([;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])""")

Cell = str | int | float | datetime | None


def harmless(text: str) -> str:
    """Return the string with an apostrophe before each part that a spreadsheet would treat as a formula."""
    text = _NEXT_FORMULA.sub(r"\1'", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def csv_response(
    name: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, safe: Callable[[str], str] = harmless
) -> StreamingHttpResponse:
    """Return a CSV file as a download. ``name``: without ".csv". The other parameters are those of ``csv_lines``."""
    response = StreamingHttpResponse(csv_lines(heads, rows, safe=safe), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def with_zone(head: str) -> str:
    """Return the heading of a column of times, followed by their time zone: the cells contain no zone."""
    return f"{head} ({get_default_timezone_name()})"


class _Echo:
    """A file whose ``write`` returns the line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(
    heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, safe: Callable[[str], str] = harmless
) -> Iterator[str]:
    """Yield the lines of a CSV file: ``heads``, then ``rows``.

    ``safe``: a function that makes the text of a cell harmless for spreadsheets.
    """
    writer = csv.writer(_Echo())
    yield BYTE_ORDER_MARK + writer.writerow(heads)
    for row in rows:
        yield writer.writerow([_written(cell, safe) for cell in row])


def _written(cell: Cell, safe: Callable[[str], str]) -> str:
    if isinstance(cell, datetime):
        return cell.astimezone(get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S")
    return "" if cell is None else safe(cell) if isinstance(cell, str) else str(cell)
