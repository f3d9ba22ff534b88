"""Tests the client that loads many courses with few calls and answers lookups from them."""

import pytest

from dupdash.duplication.moodle_clients import open_bulk_client, open_client
from dupdash.duplication.states import State
from dupdash.moodle.errors import NotSent
from tests.duplication.support import Moodle, a_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("moodle")]
LOOKUP = "core_course_get_courses_by_field"


def test_loaded_courses_are_answered_without_a_request(moodle: Moodle) -> None:
    with open_bulk_client() as client:
        client.load(ids=[7, 8], shortnames=["AT&T", "NOPE"])
        asked = moodle.called[LOOKUP]
        assert asked == 3
        assert client.course_by_id(7).shortname == "BIO101-2026S1"
        assert [course.shortname for course in client.courses_by_shortname("AT&T")] == ["AT&T"]
        assert client.courses_by_shortname("NOPE") == ()
        # The course was loaded by its name, and is also found by its id.
        assert client.course_by_id(client.courses_by_shortname("AT&T")[0].id)
        assert moodle.called[LOOKUP] == asked


def test_missing_id_does_not_hide_the_others() -> None:
    with open_bulk_client() as client:
        client.load(ids=[7, 4711, 8, 9, 4712])
        assert [bool(client.course_by_id(id)) for id in (7, 4711, 8, 9, 4712)] == [True, False, True, True, False]


def test_name_that_a_job_reserves_is_not_looked_up(moodle: Moodle) -> None:
    a_job(State.RUNNING, "NEW-1")
    with open_bulk_client() as client:
        client.load(shortnames=["new-1"])
        assert client.courses_by_shortname("new-1") == ()
    assert moodle.called[LOOKUP] == 0


def test_refused_lookup_raises_for_its_course_only(moodle: Moodle) -> None:
    with open_bulk_client() as client:
        client.load(shortnames=["<b>x</b>", "AT&T"])
        with open_client() as single, pytest.raises(Exception) as expected:  # noqa: PT011 - compared below
            single.courses_by_shortname("<b>x</b>")
        with pytest.raises(type(expected.value)):
            client.courses_by_shortname("<b>x</b>")
        assert client.courses_by_shortname("AT&T")


def test_outage_ends_the_loading(moodle: Moodle) -> None:
    with open_bulk_client() as client:
        moodle.stop()
        with pytest.raises(NotSent):
            client.load(shortnames=[f"N-{n}" for n in range(50)])


def test_categories_are_read_once(moodle: Moodle) -> None:
    with open_bulk_client() as client:
        assert client.categories() == client.categories()
    assert moodle.called["core_course_get_categories"] == 1
