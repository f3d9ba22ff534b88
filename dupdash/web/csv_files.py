"""Tables for a spreadsheet, sent row by row: the longest needs no more memory than the shortest."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.http import StreamingHttpResponse
from django.utils.timezone import get_default_timezone, get_default_timezone_name

# Without it Excel takes UTF-8 for something else.
BYTE_ORDER_MARK = "\ufeff"
# A cell that begins with one of these is a formula to a spreadsheet, and a course may be called anything.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

# To the spreadsheets of half the world a semicolon separates, or a tab. Our quotation marks then stand in the
# middle of a cell and protect nothing: behind such a sign, and at a new line, the next cell begins.
_NEXT_FORMULA = re.compile(r"""([;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])""")

Cell = str | int | float | datetime | None


def csv_response(name: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_lines(heads, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def with_zone(head: str) -> str:
    """The head of a column of moments: spreadsheets know no time zones, so it is said there."""
    return f"{head} ({get_default_timezone_name()})"


def harmless(text: str) -> str:
    """The text itself; with an apostrophe before whatever a spreadsheet would calculate with."""
    text = _NEXT_FORMULA.sub(r"\1'", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _lines(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield BYTE_ORDER_MARK + writer.writerow(heads)
    for row in rows:
        yield writer.writerow([_written(cell) for cell in row])


def _written(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.astimezone(get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S")
    return "" if cell is None else harmless(cell) if isinstance(cell, str) else str(cell)
