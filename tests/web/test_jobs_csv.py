"""Tests the CSV file of the list of copies."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dupdash.duplication.states import State
from dupdash.web.csv_files import csv_response, harmless
from tests.web.support import a_job

pytestmark = pytest.mark.django_db


def table(client: Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/jobs/copies.csv?{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_file_has_the_filtered_copies_in_their_order(as_administrator: Client) -> None:
    for name in ("B", "a", "C"):
        a_job(State.FAILED, name)
    a_job(State.SUCCEEDED, "D")
    assert [row["Short name"] for row in table(as_administrator, "state=failed&sort=copy")] == ["a", "B", "C"]
    assert len(table(as_administrator)) == 4


def test_file_is_streamed_and_starts_with_a_byte_order_mark(as_administrator: Client) -> None:
    a_job(fullname="Řízení „Ö“")
    answer = as_administrator.get("/jobs/copies.csv")
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="copies-')
    content = answer.getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    assert "Řízení „Ö“" in content.decode()


def test_row_has_all_columns(as_help_desk: Client, faculty: User, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    begun = datetime(2026, 6, 1, 22, 0, tzinfo=UTC)
    job = a_job(
        State.FAILED,
        "NEW",
        requester=faculty,
        created_at=begun,
        started_at=begun,
        finished_at=begun.replace(minute=1, microsecond=500000),
        category_name="Science / Biology",
        failure_code="shortnametaken",
        failure_message="Short name is already used",
    )
    (row,) = table(as_help_desk)
    expected = {
        "Job": job.pk,
        "State": "Failed",
        "Short name": "NEW",
        "Source id": "4711",
        "Category": "Science / Biology",
        "Requested by": "Fay Faculty",
        "Requested (Europe/Berlin)": "2026-06-02 00:00:00",
        "Finished (Europe/Berlin)": "2026-06-02 00:01:00",
        "Duration (seconds)": "60.5",
        "Course id": "",
        "Cause of failure": "Another course has the short name now",
        "Error code": "shortnametaken",
        "Moodle’s message": "Short name is already used",
    }
    assert {name: row[name] for name in expected} == expected
    assert "activities" in row["Options"].split()


def test_file_of_faculty_hides_foreign_copies_and_raw_errors(
    as_faculty: Client, faculty: User, colleague: User
) -> None:
    a_job(State.FAILED, "MINE", requester=faculty, failure_code="x", failure_message="the raw words")
    a_job(State.FAILED, "THEIRS", requester=colleague)
    (row,) = table(as_faculty)
    assert row["Short name"] == "MINE"
    assert "Moodle’s message" not in row
    assert "the raw words" not in as_faculty.get("/jobs/copies.csv").getvalue().decode()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1", "＝1", '=HYPERLINK("x")'])
def test_names_are_no_formulas(as_administrator: Client, text: str) -> None:
    a_job(State.FAILED, "N", fullname=text, source_fullname=text, category_name=text, failure_message=text)
    (row,) = table(as_administrator)
    for name in ("Full name", "Source full name", "Category", "Moodle’s message"):
        assert row[name] == f"'{text}"


def cells(answer: HttpResponseBase, separator: str) -> list[str]:
    """Return all cells of the file as a spreadsheet program with this separator reads them."""
    content = b"".join(answer).decode("utf-8-sig")
    return [cell for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@given(text=st.text(alphabet="=-;,\t\r\n\"' x＝", max_size=12))
def test_names_are_no_formulas_with_other_separators(separator: str, text: str) -> None:
    answer = csv_response("copies", ["Job", "Name", "Note"], [["1", text, text]])
    assert not [cell for cell in cells(answer, separator) if cell.lstrip().startswith(("=", "-", "＝"))]


def test_course_name_is_no_formula_with_semicolons(as_administrator: Client) -> None:
    a_job(fullname='Fun;"=HYPERLINK(A1);x')
    found = cells(as_administrator.get("/jobs/copies.csv"), ";")
    assert not [cell for cell in found if cell.startswith("=")]


@pytest.mark.parametrize("text", ["", "BIO101", "a=1", "1-2", "'quoted'", "a, b;\nc"])
def test_harmless_names_are_unchanged(text: str) -> None:
    assert harmless(text) == text


def test_filter_with_an_error_is_refused(as_administrator: Client) -> None:
    assert as_administrator.get("/jobs/copies.csv?since=tomorrow").status_code == 400
