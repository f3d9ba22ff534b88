"""Tests the search of the list: pasted URLs, quotation marks, typing errors, and the cause in the row."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.notifications.models import Preferences
from dupdash.web.job_list.spelling import corrected, one_typo_apart
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> DuplicationJob:
    a_job(State.SUCCEEDED, "HIS-2", fullname="History of Rome", source_id=77)
    names = {"fullname": "Women’s writing: an “introduction”", "source_fullname": "Introduction to Biology"}
    return a_job(State.SUCCEEDED, "BIO101-2027S1", source_id=4711, course_id=4999, **names)


@pytest.fixture(params=["text index", "texts"])
def lookup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the words by the text index, or by reading the texts of all jobs."""
    few, rows = (0, 0) if request.param == "text index" else (1000, 1000)
    monkeypatch.setattr("dupdash.web.job_list.search.FEW_JOBS", few)
    monkeypatch.setattr("dupdash.web.job_list.search.ROWS_PER_MATCH", rows)


def _found(client: Client, search: str) -> list[str]:
    return [row.shortname for row in client.get("/jobs/", {"q": search}).context["rows"]]


@pytest.mark.parametrize(
    "search",
    [
        "https://copies.example.edu/jobs/{job}/",
        "https://copies.example.edu/jobs/{job}/retry/?x=1",
        "https://moodle.example.edu/course/view.php?id=4711",
        "https://moodle.example.edu/course/view.php?section=2&id=4999#section-2",
        "{job}",
        "4999",
        "women's writing",
        "Women’s writing",
        "“Women’s writing: an “introduction””",
        "«Introduction to Biology»",
        "biolgy",
        "boilogy",
        "womens writing",
        "boi101-2027s1",
        "introducton biologyy",
    ],
)
@pytest.mark.usefixtures("lookup")
def test_search_finds_the_copy(as_help_desk: Client, job: DuplicationJob, search: str) -> None:
    assert _found(as_help_desk, search.format(job=job.pk)) == ["BIO101-2027S1"]


@pytest.mark.parametrize(("counted", "total"), [(3, "3"), (2, "more than 2"), (1, "more than 1")])
def test_total_of_a_search_is_without_earlier_attempts(
    as_help_desk: Client, monkeypatch: pytest.MonkeyPatch, counted: int, total: str
) -> None:
    monkeypatch.setattr("dupdash.web.job_list.filters.COUNTED_MOST", counted)
    first = a_job(State.FAILED, "BIO-1", fullname="Biology")
    for name, retried in (("BIO-2", first), ("BIO-3", None), ("BIO-4", None)):
        a_job(State.SUCCEEDED, name, fullname="Biology", retry_of=retried)
    assert as_help_desk.get("/jobs/", {"q": "biology"}).context["total"] == total


def test_corrected_search_says_what_it_searched_for(as_help_desk: Client, job: DuplicationJob) -> None:
    page = text(as_help_desk.get("/jobs/", {"q": "biolgy"}))
    assert "No copy matches “biolgy”. These match “biology”." in page


@pytest.mark.parametrize(
    "search", ["biology rome", "zzzzzz", "bgy", "bio102-2027s1", "https://moodle.example.edu/course/view.php?id=1"]
)
@pytest.mark.usefixtures("lookup")
def test_search_without_a_close_match_finds_nothing(as_help_desk: Client, job: DuplicationJob, search: str) -> None:
    assert _found(as_help_desk, search) == []


def test_correction_reveals_no_copies_of_others(as_faculty: Client, faculty: User, job: DuplicationJob) -> None:
    a_job(State.SUCCEEDED, "MINE", requester=faculty)
    assert "biology" not in text(as_faculty.get("/jobs/", {"q": "biolgy"}))
    assert corrected("biolgy", DuplicationJob.objects.filter(requester=faculty)) == ""


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        ("biology", "biolgy", True),
        ("biology", "bioloogy", True),
        ("biology", "biolagy", True),
        ("biology", "boilogy", True),
        ("biology", "biology", False),
        ("biology", "biogy", False),
        ("biology", "geology", False),
        ("ab", "ba", True),
    ],
)
def test_one_typo_is_one_character_or_two_swapped_neighbours(one: str, other: str, close: bool) -> None:
    assert one_typo_apart(one, other) is close
    assert one_typo_apart(other, one) is close


def test_row_shows_the_cause_beside_the_partial_course(as_help_desk: Client) -> None:
    left = {"course_id": 9, "proof": "seen", "failure_code": "partial_course", "finished_at": timezone.now()}
    a_job(State.FAILED, **left)
    page = text(as_help_desk.get("/jobs/"))
    assert "Moodle stopped in the middle of the copy. A partial course was left in Moodle." in page


def test_search_key_can_be_switched_off(as_help_desk: Client, help_desk: User) -> None:
    assert "data-no-shortcuts" not in text(as_help_desk.get("/"))
    Preferences.objects.create(user=help_desk, shortcuts=False)
    assert "data-no-shortcuts" in text(as_help_desk.get("/"))


def test_csv_and_filter_show_copies_that_differ_from_the_source(as_help_desk: Client) -> None:
    report = {"sections": {}, "activities": {}}
    a_job(State.SUCCEEDED, "SAME", verification=report | {"complete": True})
    a_job(State.SUCCEEDED, "DIFFERS", verification=report | {"complete": False})
    a_job(State.SUCCEEDED, "UNKNOWN", verification={"complete": False, "why_not": "The source is gone."})
    a_job(State.SUCCEEDED, "NOT-YET")
    shown = as_help_desk.get("/jobs/?state=differs").context["rows"]
    assert [row.shortname for row in shown] == ["DIFFERS"]
    lines = b"".join(as_help_desk.get("/jobs/copies.csv").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    column = lines[0].split(",").index("Compared with its source")
    found = {line.split(",")[3]: line.split(",")[column] for line in lines[1:]}
    assert found == {"SAME": "same", "DIFFERS": "differs", "UNKNOWN": "not possible", "NOT-YET": ""}
