"""Tests finding the academic term in the name of a course."""

import pytest

from dupdash.web.academic_terms import same_term, terms_in


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("BIO101-2027S1", {"2027s1"}),
        ("BIO101-2027-S1", {"2027s1"}),
        ("BIO101-S1-2027", {"2027s1"}),
        ("Biology, Fall 2027", {"2027fall"}),
        ("Biology 2027 Semester 1", {"2027semester1"}),
        ("Biologie WS 2026/27", {"2026ws"}),
        ("Biologie WS26/27", {"2026ws"}),
        ("BIO101-2027", {"2027"}),
        ("BIO101-2027S1-COPY-2", {"2027s1"}),
        ("MATH2010", set()),
        ("Biology", set()),
        ("أحياء 2027", {"2027"}),
    ],
)
def test_term_is_the_year_and_the_word_beside_it(name: str, terms: set[str]) -> None:
    assert terms_in(name) == terms


def test_full_names_count_where_a_short_name_has_no_term() -> None:
    assert same_term("BIO-NEW", "Biology, Fall 2027", "BIO-OLD", "Biology (Fall 2027)")
    assert not same_term("BIO-2027S1", "Biology 2027", "BIO-2027S2", "Biology 2027")
    assert not same_term("BIO-NEW", "Biology", "BIO-OLD", "Biology")
