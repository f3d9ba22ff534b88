"""Tests choosing the category of a copy: the suggestion, the filter, and the tree with thousands of categories."""

import re
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from dupdash.moodle.records import Category
from dupdash.sandbox.server import Sandbox
from dupdash.web.category_picker import SIBLINGS_MOST, Node, category_choices, category_for_copy, children_of
from tests.web.support import BIO101, BIOLOGY_2027, a_job, form, text

pytestmark = pytest.mark.django_db

FORM = "/jobs/new/"
CHOICES = "/jobs/new/category-choices/"
BIOLOGY_2026 = 6


def _category(number: int, name: str, *above: int, **more: Any) -> Category:
    path = "".join(f"/{step}" for step in (*above, number))
    given = {"visible": True, "sortorder": number, "coursecount": 0} | more
    return Category(number, name, above[-1] if above else 0, len(above) + 1, path, **given)


def _university(schools: int = 60, terms: int = 49) -> list[Category]:
    """Return 3,001 categories: a site, its schools, and the terms of each school."""
    found = [_category(1, "University")]
    for school in range(schools):
        number = 2 + school * (terms + 1)
        found.append(_category(number, f"School {school}", 1))
        found += [_category(number + 1 + term, f"{1990 + term} Semester 1", 1, number) for term in range(terms)]
    return found


def _shown(nodes: Any) -> list[Node]:
    return [found for node in nodes for found in (node, *_shown(node.children))]


# --- The suggested category -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "years", "expected"),
    [
        (["2026 Semester 1", "2026 Semester 2", "2027 Semester 1"], 1, 3),
        (["2026 Semester 1", "2028 Semester 1"], 2, 2),
        (["2026 Semester 1", "2027 Semester 2"], 1, 1),
        (["Archive", "2027 Semester 1"], 1, 1),
        (["2026 Semester 1", "2027 SEMESTER 1"], 0, 2),
    ],
    ids=["next term", "two years on", "no such term", "source names no term", "course names no term"],
)
def test_suggested_category_is_the_sources_in_the_new_term(
    administrator: User, names: list[str], years: int, expected: int
) -> None:
    known = [_category(number, name) for number, name in enumerate(names, start=1)]
    assert category_for_copy(1, years, known, administrator) == expected


def test_term_may_stand_above_the_sources_category(administrator: User) -> None:
    known = [_category(1, "2026"), _category(2, "Biology", 1), _category(3, "2027"), _category(4, "Biology", 3)]
    assert category_for_copy(2, 1, known, administrator) == 4


def test_no_category_is_suggested_that_faculty_may_not_use(faculty: User, settings: Any) -> None:
    settings.FACULTY_CATEGORIES = [9]
    assert category_for_copy(1, 1, [_category(1, "2026"), _category(2, "2027")], faculty) is None


def test_preview_selects_the_suggested_category(as_administrator: Client, sandbox: Sandbox) -> None:
    asked = {"source": BIO101, "activities": "1", "category": "", "suggested_category": ""}
    page = text(as_administrator.get("/jobs/new/preview/", asked))
    assert 'id="category-choices" class="stack tight" hx-swap-oob="true"' in page
    assert f'name="category" value="{BIOLOGY_2027}" checked' in page
    assert f'name="suggested_category" value="{BIOLOGY_2027}"' in page
    assert "Faculty of Science / School of Biology / 2027 Semester 1" in page


def test_preview_keeps_a_category_that_somebody_chose(as_administrator: Client, sandbox: Sandbox) -> None:
    asked = {"source": BIO101, "activities": "1", "category": BIOLOGY_2026, "suggested_category": BIOLOGY_2027}
    page = text(as_administrator.get("/jobs/new/preview/", asked))
    assert "category-choices" not in page
    assert "School of Biology / 2026 Semester 2" in page or "School of Biology / 2026 Semester 1" in page


def test_suggested_category_is_filled_in_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.post(FORM, form(preview="1", category=None)))
    assert f'name="category" value="{BIOLOGY_2027}" checked' in page


# --- The tree -------------------------------------------------------------------------------------------------


def test_tree_is_open_where_the_chosen_category_lies(administrator: User) -> None:
    known = _university()
    chosen = known[-1]
    choices = category_choices(known, administrator, selected=chosen.id)
    shown = _shown(choices.nodes)
    assert [node.name for node in shown if node.open] == ["University", "School 59"]
    assert chosen.id in [node.id for node in shown]


def test_tree_of_3000_categories_sends_a_small_part(administrator: User) -> None:
    known = _university()
    assert len(known) == 3001
    shown = _shown(category_choices(known, administrator, selected=known[-1].id).nodes)
    assert len(shown) < 120
    assert sum(node.lazy for node in shown) == 59


def test_branch_is_sent_when_it_is_opened(as_administrator: Client, administrator: User, sandbox: Sandbox) -> None:
    known = _university()
    nodes, more = children_of(2, known, administrator)
    assert ([node.name for node in nodes[:2]], len(nodes), more) == (["1990 Semester 1", "1991 Semester 1"], 49, 0)
    page = text(as_administrator.get(CHOICES, {"under": "2"}))
    assert "School of Biology" in page
    assert "Faculty of Science" not in page


def test_many_siblings_are_cut_and_the_chosen_one_is_kept(administrator: User) -> None:
    known = [_category(number, f"Category {number}") for number in range(1, 3001)]
    choices = category_choices(known, administrator, selected=2500)
    assert len(choices.nodes) == SIBLINGS_MOST + 1
    assert choices.nodes[-1].id == 2500
    assert choices.more == 3000 - SIBLINGS_MOST - 1


def test_small_tree_is_sent_whole_and_folded(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get(FORM))
    assert page.count('name="category"') == len(sandbox.state.categories)
    assert "<details open>" not in page
    assert "?under=" not in page


@pytest.mark.parametrize("kind", ["after an error", "copy again"])
def test_chosen_category_is_in_view(as_administrator: Client, administrator: User, sandbox: Sandbox, kind: str) -> None:
    if kind == "copy again":
        job = a_job("succeeded", source_id=BIO101, category_id=BIOLOGY_2027, requester=administrator)  # type: ignore[arg-type]
        page = text(as_administrator.get(f"{FORM}?from={job.pk}"))
    else:
        page = text(as_administrator.post(FORM, form(shortname="")))
    before = page.partition(f'name="category" value="{BIOLOGY_2027}" checked')[0]
    assert len(re.findall("<details open>", before)) == 2


# --- The filter -----------------------------------------------------------------------------------------------


def test_filter_finds_by_every_word_of_the_path(administrator: User) -> None:
    choices = category_choices(_university(), administrator, query="school 59 2027")
    assert [match.path for match in choices.matches] == ["University / School 59 / 2027 Semester 1"]


def test_filter_lists_own_names_first_and_counts_the_rest(administrator: User) -> None:
    choices = category_choices(_university(), administrator, query="school")
    assert choices.matches[0].path == "University / School 0"
    assert (len(choices.matches), choices.more_matches) == (50, 60 * 50 - 50)


def test_filter_keeps_what_is_chosen(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get(CHOICES, {"category_query": "chemistry", "category": BIOLOGY_2027}))
    assert f'name="category" value="{BIOLOGY_2027}" checked' in page
    assert "School of Chemistry" in page


def test_filter_says_that_nothing_was_found(as_administrator: Client, sandbox: Sandbox) -> None:
    assert "No category was found for “&lt;x&gt;”." in text(as_administrator.get(CHOICES, {"category_query": "<x>"}))


def test_filter_works_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.post(FORM, form(find="category", category_query="chemistry", note="Kept")))
    assert "School of Chemistry" in page
    assert f'name="category" value="{BIOLOGY_2027}" checked' in page
    assert "Kept</textarea>" in page
    assert "form-errors" not in page


def test_filter_marks_hidden_categories(as_administrator: Client, sandbox: Sandbox) -> None:
    categories = sandbox.state.categories
    categories[BIOLOGY_2027] = replace(categories[BIOLOGY_2027], visible=0)
    cache.clear()
    page = text(as_administrator.get(CHOICES, {"category_query": "biology 2027"}))
    assert "(hidden from students)" in page


def test_filter_reports_that_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.stop()
    page = text(as_administrator.get(CHOICES, {"category_query": "chemistry", "category": BIOLOGY_2027}))
    assert "The categories could not be loaded from Moodle." in page
    # The filter replaces this element, and the chosen category is sent with the form.
    assert 'id="category-choices"' in page
    assert f'name="category" value="{BIOLOGY_2027}"' in page
