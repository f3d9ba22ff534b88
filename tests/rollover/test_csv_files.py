"""Tests reading CSV files: delimiters, encodings, line breaks and row numbers."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dupdash.rollover.reading.formula_protection import defuse, restore
from dupdash.rollover.reading.table import UnreadableFile
from tests.rollover.files import HEADINGS, LIST, ROW, read, why_unreadable


def refused(content: str | bytes, **more: int) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read(content, **more)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_from_the_headings(delimiter: str) -> None:
    table = read(LIST.replace(",", delimiter))
    assert table.rows[0].values["shortname"] == "BIO101-2027S1"


def test_other_delimiter_within_cells_is_kept() -> None:
    table = read('source;fullname;shortname;category\n7;"Law, Politics, and, More";LAW,1;8\n')
    assert table.rows[0].values["fullname"] == "Law, Politics, and, More"
    assert table.rows[0].values["shortname"] == "LAW,1"


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separator_line_names_the_delimiter_and_is_no_row(first: str, mark: str) -> None:
    table = read(f"{mark}{first}\r\nsource;fullname\r\n7;A, B; C\r\n")
    assert table.rows[0].values == {"source": "7", "fullname": "A, B"}
    assert table.rows[0].number == 2


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", ""),
        ("utf-8", "\ufeff"),
        ("utf-16-le", "\ufeff"),
        ("utf-16-be", "\ufeff"),
        ("utf-16-le", ""),
        ("utf-16-be", ""),
    ],
)
def test_utf_8_and_utf_16_are_recognised(codec: str, mark: str) -> None:
    content = f"{mark}source\tfullname\n7\tEinführung – Ökologie 課程\n".encode(codec)
    assert read(content).rows[0].values["fullname"] == "Einführung – Ökologie 課程"


def test_windows_1252_is_recognised() -> None:
    table = read("source;fullname\n7;Einführung – „Ökologie“ €\n".encode("cp1252"))
    assert table.rows[0].values["fullname"] == "Einführung – „Ökologie“ €"
    assert "Windows-1252" in table.kind


def test_undecodable_byte_names_its_row_and_the_encodings() -> None:
    content = b'source,fullname\n7,"two\nlines"\n8,caf\xe9 \x81\n'
    assert "0x81 in row 3" in refused(content)
    assert "UTF-8, Windows-1252" in refused(content)


def test_one_stray_byte_in_utf_8_is_refused_and_not_read_as_windows_1252() -> None:
    content = "source,fullname\n7,Einführung Ökologie\n".encode() + b"8,caf\xe9\n"
    assert "0xE9 in row 3" in refused(content)
    assert "Tried: UTF-8." in refused(content)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_ending_is_read(ending: str) -> None:
    table = read(LIST.replace("\n", ending))
    assert [row.values["source"] for row in table.rows] == ["BIO101-2026S1"]


def test_row_numbers_are_those_of_the_spreadsheet() -> None:
    table = read('source,fullname\n1,"a\nb\r\nc"\n\n,\n2,d\n\n\n')
    assert [(row.number, row.values["source"]) for row in table.rows] == [(2, "1"), (5, "2")]


@pytest.mark.parametrize("heading", ["Short Name", " SHORTNAME ", "short_name", "Short\u00a0name"])
def test_heading_is_recognised_in_any_case_and_with_blanks(heading: str) -> None:
    assert read(f"source,{heading}\n7,X\n").rows[0].values["shortname"] == "X"


@pytest.mark.parametrize("code", ["00123", "1-2", "3E5", "1,5", "2027-01"])
def test_code_stays_text(code: str) -> None:
    assert read(f"source;shortname\n7;{code}\n").rows[0].values["shortname"] == code


def test_moodles_own_upload_file_works_and_unused_columns_are_named() -> None:
    table = read(
        "shortname,fullname,category_path,category_idnumber,templatecourse,visible,summary,format,enrolment_1,tags\n"
        "BIO2,Biology 2,Science / 2027,,BIO101-2026S1,1,Text,topics,manual,a\n"
    )
    assert table.rows[0].values["templatecourse"] == "BIO101-2026S1"
    assert table.rows[0].values["category_path"] == "Science / 2027"
    (note,) = table.notes
    assert "summary, format, enrolment_1, tags" in note
    assert table.rows[0].others["summary"] == "Text"


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n  \r\n", b"sep=;\n"])
def test_empty_file_is_reported(content: bytes) -> None:
    assert "empty" in refused(content)


def test_headings_without_rows_are_reported() -> None:
    assert "no row below" in refused(f"{HEADINGS}\n,,,\n\n")


def test_unknown_headings_are_reported_with_the_found_ones() -> None:
    said = refused("Kurs,Titel\n7,X\n")
    assert "“Kurs”, “Titel”" in said
    assert "shortname" in said


@pytest.mark.parametrize(
    ("headings", "said"),
    [
        ("source,fullname,fullname", "Two columns have the heading “fullname”."),
        ("source,Full name,fullname", "The headings “Full name” and “fullname” name the same column."),
        ("source,summary,Summary", "The headings “summary” and “Summary” name the same column."),
    ],
)
def test_doubled_heading_is_refused(headings: str, said: str) -> None:
    assert f"{said} Remove or rename one of them." in refused(f"{headings}\n7,a,b\n")


def test_missing_closing_quotation_mark_names_its_row() -> None:
    assert "in row 3" in refused('source,fullname\n1,a\n2,"b\n3,c\n')


def test_text_after_a_closing_quotation_mark_names_its_row() -> None:
    assert "row 2 goes on" in refused('source,fullname\n1,"a" b\n')


def test_row_with_more_cells_than_headings_has_a_problem() -> None:
    (row,) = read("source,fullname\n7,Law, Politics\n").rows
    assert "more cells than there are headings" in row.problems[0].message


def test_too_many_rows_are_refused() -> None:
    assert "more than 2 rows" in refused(f"{HEADINGS}\n" + f"{ROW}\n" * 3, rows_most=2)


@pytest.mark.parametrize("content", [b"%PDF-1.7\0\0", b"\x89PNG\r\n\x1a\n\0\0\0", b"\0" * 100])
def test_binary_file_is_reported(content: bytes) -> None:
    assert "not a text file" in refused(content)


@settings(max_examples=300)
@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"{HEADINGS}\n{text}".encode("utf-8", "replace"))
)
def test_any_bytes_give_rows_or_an_error_message(content: bytes) -> None:
    said = why_unreadable(content)
    assert said == "" or said.endswith(".")


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n; \"aＡ＝1"), max_size=12))
def test_defused_text_is_restored_and_begins_no_formula(text: str) -> None:
    defused = defuse(text)
    assert restore(defused) == text
    assert not defused.lstrip().startswith(tuple("=+-@＝＋－＠"))


def test_exported_cells_are_read_in_again_unchanged() -> None:
    names = ["=1+1", "'=1", "+49 30", "-x", "@home", "a;=b", "'quoted'", "plain"]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["source", "fullname"])
    writer.writerows([["7", defuse(name)] for name in names])
    assert [row.values["fullname"] for row in read(written.getvalue()).rows] == names
