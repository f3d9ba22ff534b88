"""Tests the suggested names of a copy."""

from collections.abc import Iterator
from datetime import date

import pytest
import time_machine

from dupdash.web.name_suggestions import Names, raised, suggest


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(date(2026, 11, 23)):
        yield


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BIO101-2026S1", "BIO101-2027S1"),
        ("BIO101_2026_S1", "BIO101_2027_S1"),
        ("2026-BIO101", "2027-BIO101"),
        ("BIO101 2026/27", "BIO101 2027/28"),
        ("BIO101 2026/2027", "BIO101 2027/2028"),
        ("BIO101-2026-27", "BIO101-2027-28"),
        ("BIO101 2026–27", "BIO101 2027–28"),
        ("BIO101 (WS2026/27)", "BIO101 (WS2027/28)"),
        ("BIO101-WS26/27", "BIO101-WS27/28"),
        ("BIO101-26/27", "BIO101-27/28"),
        ("BIO101-26S1", "BIO101-27S1"),
        ("26S1-BIO101", "27S1-BIO101"),
        ("BIO101-SS26", "BIO101-SS27"),
        ("BIO101-Fall26", "BIO101-Fall27"),
        ("BIO101-FA26", "BIO101-FA27"),
        ("BIO101-S26", "BIO101-S27"),
        ("WS2026", "WS2027"),
        ("Fall 2026", "Fall 2027"),
        ("Introduction to Biology, 2026", "Introduction to Biology, 2027"),
        ("Biology (2026 Semester 1)", "Biology (2027 Semester 1)"),
        ("BIO101-2026-01", "BIO101-2027-01"),
        ("BIO101-2029/30", "BIO101-2030/31"),
        # The latest year in a name is the year of the course, and is raised wherever it occurs.
        ("Since 2020: politics, 2026", "Since 2020: politics, 2027"),
        ("2026 Biology (BIO-2026)", "2027 Biology (BIO-2027)"),
        # The number of a course is no year, and a year in its topic is not raised.
        ("MATH2026", None),
        ("MATH2010-2026S1", "MATH2010-2027S1"),
        ("The world in 1990", None),
        ("The year 2100", None),
        ("BIO101", None),
        ("BIO26", None),
        ("Room 26", None),
        ("20261", None),
        ("12026", None),
        ("BIO-99/00", None),
        ("", None),
    ],
)
def test_year_of_a_name_is_raised(name: str, expected: str | None) -> None:
    assert raised(name) == expected


def test_year_is_raised_by_several_years() -> None:
    assert raised("BIO101-2026/27", 3) == "BIO101-2029/30"


def test_both_names_are_suggested() -> None:
    names = suggest("Biology 2026", "BIO101-2026S1", lambda name: True)
    assert names == Names("Biology 2027", "BIO101-2027S1", years=1)


def test_next_free_year_is_suggested() -> None:
    taken = {"BIO101-2027S1", "BIO101-2028S1"}
    names = suggest("Biology 2026", "BIO101-2026S1", lambda name: name not in taken)
    assert names == Names("Biology 2029", "BIO101-2029S1", 3, ("BIO101-2027S1", "BIO101-2028S1"))


@pytest.mark.parametrize(
    ("shortname", "expected"),
    [
        ("BIO101-2026S1", "Biology (2027S1)"),
        ("BIO101-WS26/27", "Biology (WS27/28)"),
        ("BIO101_2026_S1", "Biology (2027)"),
        ("BIO101", "Biology"),
    ],
)
def test_full_name_without_a_year_gets_the_term_of_the_short_name(shortname: str, expected: str) -> None:
    names = suggest("Biology", shortname, lambda name: True)
    assert names is not None
    assert names.fullname == expected


def test_full_name_with_a_term_fits_into_moodle() -> None:
    names = suggest("x" * 254, "BIO101-2026S1", lambda name: True)
    assert names is not None
    assert names.fullname == "x" * 245 + " (2027S1)"


def test_name_without_a_year_gets_a_number() -> None:
    taken = {"SHELL-COPY", "SHELL-COPY-2"}
    assert suggest("Shell", "SHELL", lambda name: name not in taken) == Names(
        "Shell", "SHELL-COPY-3", taken=("SHELL-COPY", "SHELL-COPY-2")
    )


def test_suggestion_fits_the_limits_of_moodle() -> None:
    names = suggest("Long", "x" * 100, lambda name: True)
    assert names is not None
    assert names.shortname == "x" * 95 + "-COPY"


def test_no_name_is_suggested_if_none_is_free() -> None:
    assert suggest("Biology", "BIO101-2026S1", lambda name: False) is None
