"""Tests names in several languages: which names Moodle accepts, and which language dupdash shows."""

import pytest

from dupdash.moodle.multilang import in_language, is_accepted

FRENCH = '<span lang="fr" class="multilang">'
ENGLISH = '<span class="multilang" lang="en">'
SPANS = f"{FRENCH}Cours</span>{ENGLISH}Course</span>"
BRACES = "{mlang fr}Cours{mlang}{mlang en}Course{mlang}"


@pytest.mark.parametrize(
    "name",
    [
        SPANS,
        f"BIO {SPANS} 2026",
        '<lang lang="fr">Cours</lang><lang lang="en">Course</lang>',
        BRACES,
        "a < b",
        "a > b",
        f"{FRENCH}a > b</span>",
        f"{FRENCH}a</span> < b",
    ],
)
def test_moodle_accepts_name(name: str) -> None:
    assert is_accepted(name)


@pytest.mark.parametrize(
    "name",
    [
        "<b>bold</b>",
        "a <b",
        "a <",
        "a <\u00a0b",
        "<span>Cours</span>",
        '<span lang="fr">Cours</span>',
        f"{FRENCH}Cours",
        "Cours</span>",
        f"{FRENCH}<b>Cours</b></span>",
        f"{FRENCH}Cours</SPAN>",
        f"{SPANS}<b>",
        f"a < b {SPANS}",
        f'<lang lang="fr">a</lang>{SPANS}',
    ],
)
def test_moodle_refuses_name(name: str) -> None:
    assert not is_accepted(name)


@pytest.mark.parametrize(
    ("name", "language", "shown"),
    [
        (SPANS, "en", "Course"),
        (SPANS, "fr-CA", "Cours"),
        (SPANS, "de", "Cours"),
        (BRACES, "en", "Course"),
        (BRACES, "de", "Cours"),
        (f"BIO-{SPANS}-COPY", "en", "BIO-Course-COPY"),
        (f"{BRACES}-COPY", "fr", "Cours-COPY"),
        ("{mlang en,de}Both{mlang}{mlang other}Rest{mlang}", "de", "Both"),
        ("{mlang en,de}Both{mlang}{mlang other}Rest{mlang}", "fr", "Rest"),
        ("{mlang de}A{mlang} and {mlang en}B{mlang}", "en", "and B"),
        ("AT&amp;T", "en", "AT&amp;T"),
        (f"{FRENCH}not closed", "fr", f"{FRENCH}not closed"),
    ],
)
def test_name_is_shown_in_one_language(name: str, language: str, shown: str) -> None:
    assert in_language(name, language) == shown
