"""Tests that dupdash never looks up a course in its first milliseconds, because this breaks the course's restore.

See docs/moodle-behaviour.md.
"""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.conf import settings
from django.test import Client
from django.urls import reverse

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import InvalidRequest
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.web.course_picker import find_courses
from tests.conftest import signed_in
from tests.duplication.support import (
    PATIENCE,
    Clock,
    Moodle,
    await_until,
    check_next,
    check_until_ended,
    run_worker,
    submit,
    timeline_of,
    working_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

LOOKUP = "core_course_get_courses_by_field"


def count_lookups(moodle: Moodle) -> Callable[[], int]:
    """Count the lookups of a temporary name."""
    found: list[None] = []

    def again() -> None:
        found.append(None)
        moodle.when(LOOKUP, again, about="AT&T_1")

    moodle.when(LOOKUP, again, about="AT&T_1")
    return lambda: len(found)


def list_category(category_id: int, client: MoodleClient) -> None:
    """List a category, as another program could. dupdash never does this while copies are made."""
    call = {
        "wstoken": settings.MOODLE_TOKEN,
        "wsfunction": LOOKUP,
        "moodlewsrestformat": "json",
        "field": "category",
        "value": category_id,
    }
    answer = requests.post(f"{client.site_url}/webservice/rest/server.php", call, timeout=PATIENCE)
    assert "courses" in answer.json()


@pytest.mark.parametrize("lookup", ["short name", "category", "contents", "id", "search"])
def test_lookup_of_a_newborn_course_breaks_its_restore(
    moodle: Moodle, client_of: MoodleClient, clock: Clock, lookup: str
) -> None:
    """If another program looks up a new course too early, the copy fails and leaves an empty shell."""
    job = submit()
    with moodle.held_at("newborn"), working_on(job):
        moodle.wait_for_step("newborn")
        (newborn,) = moodle.made()
        match lookup:
            case "short name":
                client_of.courses_by_shortname("NEW-1")
            case "category":
                list_category(newborn.categoryid, client_of)
            case "contents":
                client_of.contents(newborn.id)
            case "id":
                client_of.course_by_id(newborn.id)
            case "search":
                client_of.search_courses("Copy called NEW-1")
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.CHECKING
    shell = moodle.course("NEW-1")
    assert (shell.id, shell.visible, shell.complete) == (newborn.id, 0, False)
    assert moodle.calls.disturbed["new-1"] == 1
    moodle.calls.disturbed.clear()


def test_worker_does_not_look_up_the_requested_name_during_the_copy(moodle: Moodle) -> None:
    lookups = count_lookups(moodle)
    job = submit()
    with moodle.held_at("backup", "newborn", "hidden", "renamed"), working_on(job):
        for step in ("backup", "newborn", "hidden", "renamed"):
            moodle.wait_for_step(step)
            before = lookups()
            if step != "renamed":
                await_until(lambda before=before: lookups() > before + 3, "some lookups")  # type: ignore[misc]
            moodle.gates.release(step)
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert moodle.calls.watched["new-1"] == 0


def test_lost_answer_is_checked_without_the_requested_name(moodle: Moodle, clock: Clock) -> None:
    """After a lost answer, only temporary names are looked up until the course is overdue."""
    moodle.faults.set("gateway_timeout", at=0.1, count=1)
    job = submit()
    with moodle.held_at("newborn", "hidden"):
        run_worker(job)
        for step in ("newborn", "hidden"):
            moodle.wait_for_step(step)
            for _ in range(3):
                assert check_next(job, clock).state == State.CHECKING
            moodle.gates.release(step)
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert moodle.calls.watched["new-1"] == 0


@pytest.fixture
def newborn(moodle: Moodle) -> Any:
    """A job whose course is in its first milliseconds."""
    job = submit()
    with moodle.held_at("newborn"), working_on(job):
        moodle.wait_for_step("newborn")
        yield DuplicationJob.objects.get(pk=job.pk)
        moodle.gates.release()
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED, timeline_of(job)


def test_request_for_the_same_name_is_answered_from_our_own_jobs(
    moodle: Moodle, newborn: DuplicationJob, client_of: MoodleClient
) -> None:
    with pytest.raises(InvalidRequest, match="already has this short name"):
        submit(shortname="new-1")


def test_search_for_a_source_does_not_touch_a_newborn_course(
    moodle: Moodle, newborn: DuplicationJob, client_of: MoodleClient
) -> None:
    for text in ("NEW-1", "copy called", "new-1 COPY"):
        assert find_courses(text, client_of).incomplete
    assert not find_courses("Biology", client_of).incomplete


def test_temporary_name_that_another_job_requested_is_not_looked_up(moodle: Moodle) -> None:
    """A temporary name that another job requested as its short name is not looked up."""
    named = submit("5>3", "AT&T_1")
    with moodle.held_at("newborn"), working_on(named):
        moodle.wait_for_step("newborn", "AT&T_1")
        with moodle.held_at("backup"):
            other = submit("AT&T", "OTHER")
            with working_on(other):
                moodle.wait_for_step("backup", "OTHER")
                other.refresh_from_db()
                assert "AT&T_1" not in (other.baseline or {})["names"]
                moodle.gates.release()
    for job in (named, other):
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED, timeline_of(job)


def test_form_and_preview_do_not_touch_a_newborn_course(
    moodle: Moodle, newborn: DuplicationJob, administrator: Any
) -> None:
    browser: Client = signed_in(administrator)
    source = moodle.course("AT&T").id
    wish = {"source": source, "shortname": "NEW-1", "fullname": "x", "category": 2, "q": "NEW-1"}
    for name in ("check_short_name", "preview", "source_choices", "request"):
        assert browser.get(reverse(f"jobs:{name}"), wish).status_code == 200
    assert browser.get(reverse("jobs:job", args=[newborn.pk])).status_code == 200


def test_retry_does_not_touch_a_newborn_course(
    moodle: Moodle, newborn: DuplicationJob, client_of: MoodleClient, administrator: Any
) -> None:
    failed = DuplicationJob.objects.create(
        **{
            field: getattr(newborn, field)
            for field in (
                "origin", "source_id", "source_shortname", "source_fullname", "fullname", "shortname", "category_id",
                "options",
            )
        },
        state=State.FAILED,
    )  # fmt: skip
    failed.events.create(kind="submitted", from_state="", to_state="failed", reason="A test.")
    with pytest.raises(InvalidRequest, match="already has this short name"):
        jobs.retry(failed, actor=administrator, client=client_of)
