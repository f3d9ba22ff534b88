"""Tests reading Excel workbooks: codes stay text, and values that a spreadsheet has changed are reported."""

import io
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dupdash.rollover.reading import excel_files as module
from dupdash.rollover.reading.table import UnreadableFile
from tests.rollover.files import read, why_unreadable, workbook

HEADINGS = ["source", "fullname", "shortname", "category"]
# Times in workbooks have no time zone.
FIRST_OF_FEBRUARY = datetime(2027, 2, 1)  # noqa: DTZ001
WHOLE = workbook(HEADINGS, [7, "Biology", "B", 8])


def refused(content: bytes) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read(content)
    return str(caught.value)


def test_expanding_entities_are_refused() -> None:
    """A workbook is refused if its XML has a few hundred bytes and would expand to gigabytes."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE worksheet [<!ENTITY e0 "x">{entities}]>'
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive, zipfile.ZipFile(written, "w") as changed:
        for name in archive.namelist():
            text = archive.read(name).decode()
            if name.startswith("xl/worksheets/"):
                text = bomb + text.replace("<v>8</v>", "<v>&e10;</v>")
                assert "&e10;" in text
            changed.writestr(name, text)
    assert "damaged" in refused(written.getvalue())


def test_rows_of_a_workbook_are_read_with_their_numbers() -> None:
    table = read(workbook(HEADINGS, ["BIO", "Biology", "BIO2", 8], [None] * 4, [7, "Law", "LAW2", "8"]))
    assert [(row.number, row.values["source"], row.values["category"]) for row in table.rows] == [
        (2, "BIO", "8"),
        (4, "7", "8"),
    ]


def test_number_with_a_format_of_zeros_keeps_its_zeros() -> None:
    table = read(workbook(HEADINGS, [123, "Biology", "00123", 8], formats={"A2": "00000"}))
    assert (table.rows[0].values["source"], table.rows[0].values["shortname"]) == ("00123", "00123")


@pytest.mark.parametrize("value", [date(2027, 2, 1), FIRST_OF_FEBRUARY])
def test_date_in_a_column_of_codes_is_a_problem(value: date) -> None:
    (row,) = read(workbook(HEADINGS, [7, "Biology", value, 8])).rows
    assert "date 2027-02-01" in row.problems[0].message
    assert row.problems[0].column == "shortname"


def test_number_with_an_exponent_in_a_column_of_codes_is_a_problem() -> None:
    (row,) = read(workbook(HEADINGS, [7, "Biology", 300000, 8], formats={"C2": "0.00E+00"})).rows
    assert "such as 3E5" in row.problems[0].message


def test_date_in_a_column_of_dates_is_read() -> None:
    (row,) = read(
        workbook([*HEADINGS, "start"], [7, "Biology", "B", 8, FIRST_OF_FEBRUARY.replace(hour=20, minute=30)])
    ).rows
    assert row.values["start"] == "2027-02-01 20:30"
    assert row.problems == ()


def test_error_and_formula_without_result_are_problems() -> None:
    (row,) = read(workbook(HEADINGS, [7, "#N/A", '=A2&"-2027"', 8])).rows
    assert [problem.message for problem in row.problems] == [
        "The cell shows the error #N/A.",
        "The cell is a formula without a stored result. Replace the formula with its value.",
    ]


def test_other_sheets_are_named() -> None:
    table = read(workbook(HEADINGS, [7, "Biology", "B", 8], Notes="x", Old="y"))
    assert table.notes == ("Only the sheet “Courses” was read. Not read: Notes, Old.",)


def test_old_excel_file_is_reported() -> None:
    assert ".xls" in refused(b"\xd0\xcf\x11\xe0" + b"\0" * 600)


def test_opendocument_file_is_reported() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("content.xml", "<x/>")
    assert "OpenDocument" in refused(written.getvalue())


def test_other_archive_is_reported() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("a.txt", "x")
    assert "ZIP archive" in refused(written.getvalue())


def test_truncated_workbook_is_reported_as_damaged() -> None:
    assert "damaged" in refused(workbook(HEADINGS, [7, "Biology", "B", 8])[:-200])


def test_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPACKED_MOST", 1000)
    assert "too large" in refused(workbook(HEADINGS, [7, "Biology", "B", 8]))


def test_entities_of_a_hostile_workbook_are_refused() -> None:
    content = workbook(HEADINGS, [7, "Biology", "B", 8])
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(10))
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.startswith("xl/worksheets/"):
                start = text.index(b"<worksheet")
                text = f"<!DOCTYPE worksheet [{entities}]>".encode() + text[start:].replace(b"Biology", b"&e9;")
            new.writestr(name, text)
    assert "damaged" in refused(written.getvalue())


@settings(max_examples=60)
@given(st.data())
def test_any_damaged_workbook_gives_rows_or_an_error_message(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[place] = data.draw(st.integers(0, 255))
    said = why_unreadable(bytes(content))
    assert said == "" or said.endswith(".")
