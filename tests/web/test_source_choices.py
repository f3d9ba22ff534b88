"""Tests the search for a source in the request form."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.conftest import signed_in
from tests.web.support import BIO101, a_job, text

URL = "/jobs/new/source-choices/"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("query", ["Introduction to Bio", "bio101-2026s1", "7"])
def test_course_is_found_by_name_short_name_and_id(as_administrator: Client, sandbox: Sandbox, query: str) -> None:
    answer = as_administrator.get(URL, {"source_query": query})
    page = text(answer)
    assert f'name="source" value="{BIO101}"' in page
    assert "Introduction to Biology" in page
    assert "BIO101-2026S1 · Faculty of Science / School of Biology / 2026 Semester 1 · id 7" in page
    assert answer["Cache-Control"] == "no-store"


def test_chosen_course_stays_in_a_new_search(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get(URL, {"source_query": "history", "source": "7"}))
    assert 'name="source" value="7" checked' in page
    assert "History of Medicine" in page


def test_search_without_results_says_that_nothing_was_found(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get(URL, {"source_query": "<script>"}))
    assert "No course was found for “&lt;script&gt;”" in page


def test_nul_character_is_not_reported_as_an_outage(
    as_administrator: Client, as_faculty: Client, sandbox: Sandbox
) -> None:
    for client in (as_administrator, as_faculty):
        page = text(client.get(URL, {"source_query": "Introduction\0 to Bio"}))
        assert "Moodle did not answer" not in page
        assert f'name="source" value="{BIO101}"' in page


def test_front_page_is_never_offered(as_administrator: Client, sandbox: Sandbox) -> None:
    assert 'value="1"' not in text(as_administrator.get(URL, {"source_query": "1"}))


def test_search_says_that_there_are_more_courses(as_administrator: Client, sandbox: Sandbox) -> None:
    assert "There are more" in text(as_administrator.get(URL, {"source_query": "a"}))


def test_search_says_that_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.stop()
    answer = as_administrator.get(URL, {"source_query": "bio"})
    assert answer.status_code == 200
    assert "Moodle did not answer." in text(answer)


def test_empty_search_does_not_ask_moodle(as_administrator: Client, sandbox: Sandbox) -> None:
    assert text(as_administrator.get(URL, {"source_query": " "})) == ""


def test_faculty_see_their_courses_before_they_search(as_faculty: Client, sandbox: Sandbox) -> None:
    page = text(as_faculty.get(URL))
    assert "6 courses that you teach" in page
    assert 'value="7"' in page
    assert "6 courses that you teach" in text(as_faculty.get("/jobs/new/"))


def test_faculty_find_only_courses_that_they_teach(as_faculty: Client, sandbox: Sandbox) -> None:
    page = text(as_faculty.get(URL, {"source_query": "biology"}))
    assert 'value="7"' in page
    # Another person taught Introduction to Biology in 2025.
    assert 'value="3"' not in page
    assert "No course that you teach was found for “Astrology”" in text(
        as_faculty.get(URL, {"source_query": "Astrology"})
    )


def test_faculty_unknown_to_moodle_get_a_message(colleague: User, sandbox: Sandbox) -> None:
    colleague.username, colleague.email = "unheard-of", "unheard-of@example.edu"
    colleague.save()
    page = text(signed_in(colleague).get(URL, {"source_query": "bio"}))
    assert "Your courses cannot be found in Moodle." in page
    assert "No Moodle user has your email address or username." in text(signed_in(colleague).get("/jobs/new/"))


def test_foreign_course_is_not_named_to_faculty(as_faculty: Client, as_administrator: Client, sandbox: Sandbox) -> None:
    for url in (URL, "/jobs/new/"):
        assert "BIO101-2025" not in text(as_faculty.get(url, {"source": "3"}))
        assert "BIO101-2025" in text(as_administrator.get(url, {"source": "3"}))
    # The list of their courses is cached for further searches.
    assert 'name="source" value="7" checked' in text(as_faculty.get(URL, {"source_query": "history", "source": "7"}))


def _found(page: str) -> list[str]:
    return re.findall(
        r'name="source" value="\d+"[^>]*><span class="choice-text">[^<]*<span class="help">([^ ]+) ·', page
    )


def test_short_names_that_begin_like_the_search_come_first(as_administrator: Client, sandbox: Sandbox) -> None:
    """Short names that begin with the search text come first. Moodle sorts by category, and also searches summaries."""
    found = _found(text(as_administrator.get(URL, {"source_query": "che"})))
    chemistry = [name.startswith("CHE") for name in found]
    assert any(chemistry)
    assert chemistry == sorted(chemistry, reverse=True)


@pytest.mark.parametrize("query", ["Bio-101", "bio101", "BIO 101"])
def test_punctuation_does_not_matter_in_a_short_name(as_administrator: Client, sandbox: Sandbox, query: str) -> None:
    found = _found(text(as_administrator.get(URL, {"source_query": query})))
    assert "BIO101-2026S1" in found[:2]


def test_exact_short_name_is_the_first(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.state.change(3, shortname="BIO101-2026S1-B", visible=1)
    assert _found(text(as_administrator.get(URL, {"source_query": "bio101-2026s1"})))[0] == "BIO101-2026S1"


@pytest.mark.parametrize(
    ("state", "warning"),
    [
        (State.FAILED, "Partial course: left by a failed copy"),
        (State.RUNNING, "Incomplete: this copy is still being made"),
    ],
)
def test_incomplete_courses_are_marked_and_come_last(
    as_administrator: Client, sandbox: Sandbox, state: State, warning: str
) -> None:
    a_job(state, course_id=BIO101, proof="seen")
    page = text(as_administrator.get(URL, {"source_query": "bio101"}))
    assert _found(page)[-1] == "BIO101-2026S1"
    assert page.count(warning) == 1


def test_deleted_and_finished_copies_are_not_marked(as_administrator: Client, sandbox: Sandbox) -> None:
    a_job(State.FAILED, "A", course_id=BIO101, proof="seen", course_deleted_at=timezone.now())
    a_job(State.SUCCEEDED, "B", course_id=BIO101, proof="seen")
    assert "Incomplete" not in text(as_administrator.get(URL, {"source_query": "bio101"}))
