"""Tests which course names Moodle accepts, how it returns them, and which names it treats as equal."""

from __future__ import annotations

import pytest

from dupdash.moodle.multilang import is_accepted

from .tested_server import Site, error_of

SPANS = '<span lang="fr" class="multilang">Cours</span><span class="multilang" lang="en">Course</span>'
BRACES = "{mlang fr}Cours{mlang}{mlang en}Course{mlang}"
BY_FIELD, SEARCH = "core_course_get_courses_by_field", "core_course_search_courses"


@pytest.mark.parametrize("names", [SPANS, BRACES], ids=["spans", "braces"])
def test_multi_language_names_are_accepted_and_read_raw(site: Site, names: str) -> None:
    shortname = site.a_shortname("{mlang fr}C{mlang}{mlang en}E{mlang}" if names == BRACES else "")
    fullname = f"AT&T {names} {shortname}"
    made = site.duplicate(shortname, fullname=fullname)["id"]
    (raw,) = site.call(BY_FIELD, field="id", value=made, moodlewssettingraw=1)["courses"]
    assert (raw["fullname"], raw["shortname"]) == (fullname, shortname)
    # Without the setting, filters or the removal of tags change the name.
    (shown,) = site.by_field("id", made)
    assert shown["fullname"].startswith("AT&amp;T ")
    assert "<span" not in shown["fullname"]


@pytest.mark.parametrize(
    "name",
    [
        "a <b",
        "a <\u00a0b",
        "<span>Cours</span>",
        '<span lang="fr">Cours</span>',
        '<span lang="fr" class="multilang">Cours',
        '<span lang="fr" class="multilang"><b>Cours</b></span>',
        f"{SPANS}</span>",
        f"a < b {SPANS}",
    ],
)
def test_other_tags_are_refused(site: Site, name: str) -> None:
    assert not is_accepted(name)
    assert error_of(site.duplicate(site.a_shortname(), fullname=name)) == "invalidparameter"


@pytest.mark.parametrize("name", ["a < b > c", f"{SPANS} < b", '<lang lang="fr">Cours</lang><lang lang="en">C</lang>'])
def test_unusual_names_are_accepted(site: Site, name: str) -> None:
    assert is_accepted(name)
    made = site.duplicate(site.a_shortname(), fullname=name)["id"]
    (raw,) = site.call(BY_FIELD, field="id", value=made, moodlewssettingraw=1)["courses"]
    assert raw["fullname"] == name


@pytest.mark.parametrize(("one", "other"), [("🧬", "🚀"), ("-é", "-E"), ("-ß", "-ss")])
def test_name_is_taken_exactly_if_the_lookup_finds_it(site: Site, one: str, other: str) -> None:
    """Moodle refuses a short name exactly if a lookup finds a course with it. MariaDB treats all emoji as equal."""
    shortname = site.a_shortname(one)
    assert "id" in site.duplicate(shortname)
    similar = shortname.removesuffix(one) + other
    is_found = bool(site.by_field("shortname", similar))
    site._shortnames.append(similar)
    answer = site.duplicate(similar)
    assert is_found is (answer.get("errorcode") == "shortnametaken")


def test_search_can_require_a_capability(site: Site) -> None:
    site.needs(SEARCH)
    words = {"criterianame": "search", "criteriavalue": "", "perpage": 1}
    found = site.call(SEARCH, **words)
    entered = site.call(SEARCH, **words, requiredcapabilities=["moodle/course:view"])
    assert found["courses"]
    assert entered["courses"]
    assert found["total"] >= entered["total"] >= 1
    assert (
        error_of(site.call(SEARCH, **words, requiredcapabilities=["moodle/no:such capability"])) == "invalidparameter"
    )
