"""Tests simultaneous requests for copies, on the sandbox only, which can control their timing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dupdash.sandbox.server import Sandbox
from tests.captures import capture

from .tested_server import Site, error_of


def at_once(site: Site, sandbox: Sandbox, shortnames: list[str]) -> list[Any]:
    """Start copies so that all are in their backup before the first one creates its course."""
    with ThreadPoolExecutor(len(shortnames)) as pool:
        with sandbox.held_at("backup"):
            calls = [pool.submit(site.duplicate, shortname) for shortname in shortnames]
            everybody = sandbox.copies.wait_until(lambda: sandbox.copies.running() == len(shortnames), 10)
            assert everybody, "not all copies were started"
        return [call.result() for call in calls]


def test_simultaneous_calls_with_one_short_name_make_several_courses(site: Site, sandbox: Sandbox) -> None:
    """Simultaneous calls with one short name create several courses: Moodle checks the name at the start only."""
    shortname = site.a_shortname()
    answers = at_once(site, sandbox, [shortname] * 3)
    assert [answer["shortname"] for answer in answers] == [shortname] * 3
    ids = {answer["id"] for answer in answers}
    assert len(ids) == 3
    assert {course["id"] for course in site.by_field("shortname", shortname)} == ids


def test_simultaneous_copies_of_one_source_can_collide(
    site: Site, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in duplicate_same_source_collision.json, one call is refused and leaves no course.
    shortnames = [site.a_shortname(), site.a_shortname()]
    # The file is written during the whole backup, so that a collision is certain.
    monkeypatch.setattr(sandbox.copies, "collision_window", 1)
    monkeypatch.setattr(sandbox.moodle.pace, "speed", 5)
    answers = at_once(site, sandbox, shortnames)
    (refused,) = [answer for answer in answers if "id" not in answer]
    captured = capture("duplicate_same_source_collision")["body"]
    assert error_of(refused) == captured["errorcode"]
    assert sum(len(site.by_field("shortname", shortname)) for shortname in shortnames) == 1


def test_call_after_a_killed_one_succeeds_beside_the_partial_course(site: Site, sandbox: Sandbox) -> None:
    shortname = site.a_shortname()
    source = site.course(site.source)
    sandbox.faults.set("killed_in_restore", count=1)
    response = site.server.post(
        "core_course_duplicate_course", site.copy_params(shortname, visible=0), moodlewsrestformat="json"
    )
    assert response.status_code == 502
    (orphan,) = site.by_field("shortname", f"{source['shortname']}_1")
    try:
        assert orphan["visible"] == 1
        assert "id" in site.duplicate(shortname)
        assert site.course(orphan["id"])["shortname"] == f"{source['shortname']}_1"
    finally:
        site.delete([orphan["id"]])
