"""Tests deleting the partial course of a failed job on its page."""

from typing import Any

import pytest
from django.test import Client

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.duplication.support import evidence_json
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def _partial(sandbox: Sandbox, **columns: Any) -> DuplicationJob:
    """Create a failed job with the empty course that it left."""
    given: dict[str, Any] = {"shortname": "SRC_1", "fullname": "Source copy 1", "categoryid": 2, "origin": "copy"}
    course = sandbox.state.add(**(given | columns))
    return a_job(State.FAILED, course_id=course.id, proof="seen")


def test_course_is_deleted_in_moodle(as_administrator: Client, sandbox: Sandbox) -> None:
    job = _partial(sandbox)
    answer = as_administrator.post(f"/jobs/{job.pk}/delete-partial-course/", follow=True)
    assert "The partial course was deleted in Moodle." in text(answer)
    assert sandbox.state.course(job.course_id or 0) is None
    job.refresh_from_db()
    assert job.course_deleted_at is not None


@pytest.mark.parametrize(
    ("visible", "told"),
    [
        (True, "Students can see it."),
        (False, "Students cannot see it."),
        (None, "It is not known whether students can see it."),
    ],
)
def test_confirmation_names_the_course_to_delete(as_administrator: Client, visible: bool | None, told: str) -> None:
    """The confirmation on the page and in the dialog names the course, because a deletion cannot be undone."""
    MoodleHealth.objects.create(may_delete=True)
    seen = {"id": 460, "shortname": "SRC_1", "fullname": "Source copy 1", "visible": visible, "category_id": 2}
    job = a_job(
        State.FAILED, course_id=460, proof="seen", failure_code="partial_course", evidence=evidence_json(seen, own=460)
    )
    page = text(as_administrator.get(f"/jobs/{job.pk}/delete-partial-course/"))
    dialog = text(as_administrator.get(f"/jobs/{job.pk}/")).partition('id="delete-partial-job-dialog"')[2]
    for asked in (page, dialog.partition("</dialog>")[0]):
        assert f"Course 460, “Source copy 1” (SRC_1), will be deleted in Moodle. {told}" in asked
        assert "Delete in Moodle" in asked


def test_renamed_course_is_not_deleted(as_administrator: Client, sandbox: Sandbox) -> None:
    job = _partial(sandbox, shortname="RENAMED")
    answer = as_administrator.post(f"/jobs/{job.pk}/delete-partial-course/")
    assert answer.status_code == 409
    assert "was renamed to “RENAMED”, so somebody is using it." in text(answer)
    assert sandbox.state.course(job.course_id or 0) is not None


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED])
def test_job_without_a_course_has_nothing_to_delete(as_administrator: Client, state: State) -> None:
    address = f"/jobs/{a_job(state).pk}/delete-partial-course/"
    asked = as_administrator.get(address)
    assert asked.status_code == 200
    assert "There is nothing to delete: this job left no partial course in Moodle." in text(asked)
    assert "Delete in Moodle" not in text(asked)
    assert as_administrator.post(address).status_code == 409


def test_complete_copy_is_not_offered_for_deletion(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered")
    assert "There is nothing to delete" in text(as_administrator.get(f"/jobs/{job.pk}/delete-partial-course/"))


def test_button_says_how_certain_the_partial_course_is(as_administrator: Client) -> None:
    MoodleHealth.objects.create(may_delete=True)
    proven = a_job(State.FAILED, "PROVEN", course_id=9, proof="seen")
    assert "Delete the partial course" in text(as_administrator.get(f"/jobs/{proven.pk}/"))
    likely = a_job(State.FAILED, "LIKELY", likely_course_id=9)
    page = text(as_administrator.get(f"/jobs/{likely.pk}/"))
    assert "Delete a possible partial course" in page
    assert "Delete the partial course" not in page
