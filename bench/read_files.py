"""Measures how long a list of 5,000 rows takes to read, and how much memory, as CSV and as an Excel workbook.

    .venv/bin/python -m bench.read_files [--rows 5000] [--columns 8]

Each file is read in a new process, so that its memory can be measured. The references in the same run are csv.reader
alone and openpyxl alone. The table shows CPU seconds, which do not depend on other programs. Goals for 5,000 rows: 3 s
and 150 MiB.
"""

import argparse
import csv
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import openpyxl

from dupdash.rollover.reading.table import read_table

HEADINGS = ["source", "fullname", "shortname", "category", "visible", "start", "startdate", "enddate", "idnumber"]
GOAL_SECONDS, GOAL_MIB = 3.0, 150.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--kind", choices=sorted(KINDS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        _measure(arguments.kind, arguments.rows, arguments.columns)
        return
    for kind in KINDS:
        given = ["--rows", str(arguments.rows), "--columns", str(arguments.columns), "--kind", kind]
        subprocess.run([sys.executable, "-m", "bench.read_files", *given], check=True)


def _measure(kind: str, rows: int, columns: int) -> None:
    write, reference = KINDS[kind]
    content = write(_cells(rows, columns))
    began = time.process_time()
    reference(content)
    alone = time.process_time() - began
    began = time.process_time()
    table = read_table(content, rows_most=rows)
    took = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reached = took <= GOAL_SECONDS and memory <= GOAL_MIB
    print(
        f"{kind}: {len(table.rows)} rows, {columns} columns, {len(content) / 1024:.0f} KiB: {took:.2f} s "
        f"(the library alone {alone:.2f} s), at most {memory:.0f} MiB: {'reached' if reached else 'MISSED'}"
    )


def _cells(rows: int, columns: int) -> list[list[str]]:
    headings = (HEADINGS + [f"field{n}" for n in range(columns)])[:columns]
    row = ["BIO{n}-2026S1", "Introduction to Biology {n}", "BIO{n}-2027S1", "8", "1", "2027-02-01 20:00"]
    texts = (row + ["Text of row {n}"] * columns)[:columns]
    return [headings, *([text.replace("{n}", str(n)) for text in texts] for n in range(rows))]


def _as_csv(rows: list[list[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def _as_workbook(rows: list[list[str]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Courses")
    for row in rows:
        sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _csv_alone(content: bytes) -> None:
    for _ in csv.reader(io.StringIO(content.decode(), newline="")):
        pass


def _openpyxl_alone(content: bytes) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True).active
    assert sheet is not None
    for _ in sheet.iter_rows(values_only=True):
        pass


KINDS: dict[str, tuple[Callable[[list[list[str]]], bytes], Callable[[bytes], None]]] = {
    "CSV": (_as_csv, _csv_alone),
    "Excel workbook": (_as_workbook, _openpyxl_alone),
}

if __name__ == "__main__":
    main()
