"""The courses in a file, over a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dupdash.sandbox.server import Sandbox
from dupdash.sandbox.storage import UnusableStateFile

from .conftest import Serve
from .support import SOURCE, await_until


def test_a_restart_keeps_what_was_made_and_deleted(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    before = serve(state_file=file)
    made = before.duplicate("NEW-1", options=[{"name": "users", "value": 1}])["id"]
    deleted = before.sandbox.course("AT&T").id
    before.call("core_course_delete_courses", courseids=[deleted])
    courses = before.sandbox.state.courses()
    before.sandbox.stop()

    after = serve(state_file=file)
    assert after.sandbox.state.courses() == courses
    assert after.by_shortname("AT&T") == []
    assert after.duplicate("NEW-2", courseid=made)["id"] > made


def test_a_change_is_in_the_file_when_it_is_answered(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    moodle = serve(state_file=file)
    made = moodle.duplicate("NEW-1")["id"]
    document = json.loads(file.read_text(encoding="utf-8"))
    assert [(course["id"], course["shortname"], course["complete"]) for course in document["courses"]] == [
        (made, "NEW-1", True)
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_copy_that_was_under_way_is_a_partial_course_after_a_restart(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    before = serve(state_file=file)
    before.sandbox.gates.hold("renamed")
    before.duplicate_meanwhile("NEW-1")
    before.sandbox.wait_for_step("renamed", "NEW-1")
    before.sandbox.stop()

    after = serve(state_file=file)
    (course,) = after.made()
    assert (course.shortname, course.visible, course.complete) == (f"{SOURCE}_1", 1, False)
    assert after.sandbox.copies.all() == []


def test_a_copy_under_way_is_in_the_file_before_it_is_finished(serve: Serve, tmp_path: Path) -> None:
    """As a sandbox leaves it that is killed."""
    file = tmp_path / "state.json"
    moodle = serve(state_file=file)

    def stored() -> list[str]:
        return [course["shortname"] for course in json.loads(file.read_text(encoding="utf-8"))["courses"]]

    with moodle.sandbox.held_at("hidden"):
        copying = moodle.duplicate_meanwhile("NEW-1")
        await_until(lambda: stored() == ["NEW-1"], "the hidden row to be stored")
    copying.result()


def test_duplications_are_known_after_a_restart(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    status = "core_course_async_duplicate_course_get_status"
    before = serve(state_file=file, native=True)
    params = before.copy_params("NEW-1")
    params["id"] = params.pop("courseid")
    duplicateid = before.call("core_course_async_duplicate_course", **params)["duplicateid"]
    await_until(lambda: before.call(status, duplicateid=duplicateid)["status"] == 1000)
    before.sandbox.stop()

    after = serve(state_file=file, native=True)
    assert after.call(status, duplicateid=duplicateid) == {"phase": 2, "status": 1000, "progress": 1}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "seed": "university"}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(UnusableStateFile, match="is not a state file"):
        Sandbox(state_file=file).start()
    assert file.read_text() == text


def test_a_file_of_another_seed_is_refused(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    serve(state_file=file, seed="academy").sandbox.stop()
    with pytest.raises(UnusableStateFile, match="belongs to the seed 'academy'"):
        Sandbox(state_file=file).start()
