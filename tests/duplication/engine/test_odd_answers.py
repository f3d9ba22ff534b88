"""Tests answers of Moodle with one invalid part: only the features that need this part do without it."""

from typing import Any

import pytest

from dupdash.duplication import tasks
from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.moodle_health import read_site
from dupdash.duplication.states import State
from tests.duplication.support import Clock, Moodle, check_until_ended, reason, run_worker, submit, timeline_of

COPY, CONTENTS = "core_course_duplicate_course", "core_course_get_contents"
DELETE = "core_course_delete_courses"
SPANS = '<span lang="fr" class="multilang">{}</span><span lang="en" class="multilang">{}</span>'

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def test_short_name_that_moodle_takes_for_another_is_taken(moodle: Moodle) -> None:
    job = submit("AT&T", "TBIO 🚀")
    moodle.add("TBIO 🧬")
    job = run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "shortnametaken")
    assert moodle.calls.asked == {}


@pytest.mark.parametrize("fault", ["invalid_response", "html", "reset_after"])
def test_source_whose_contents_cannot_be_listed_is_copied(moodle: Moodle, fault: str) -> None:
    moodle.faults.set(fault, function=CONTENTS)
    job = run_worker(submit())
    assert (job.state, job.source_activities) == (State.SUCCEEDED, None), timeline_of(job)


def test_unlistable_copy_is_found_when_the_answer_was_lost(moodle: Moodle, clock: Clock) -> None:
    """A copy whose contents cannot be listed is found after a lost answer."""
    moodle.faults.set("reset_after", count=1)
    moodle.faults.set("invalid_response", function=CONTENTS)
    job = check_until_ended(run_worker(submit()), clock)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert job.course_id == moodle.made()[0].id


def test_copy_that_cannot_be_compared_gives_the_reason(moodle: Moodle) -> None:
    moodle.faults.set("invalid_response", function=CONTENTS)
    job = run_worker(submit())
    assert job.verification is not None
    assert job.verification["why_not"] == (
        f"Moodle could not list the contents of the source, course {job.source_id}: "
        "Invalid response value detected (invalidresponse)."
    )


def test_site_that_cannot_describe_itself_is_used(moodle: Moodle) -> None:
    moodle.faults.set("invalid_response", function="core_webservice_get_site_info")
    assert run_worker(submit()).state == State.SUCCEEDED
    health = MoodleHealth.current()
    assert (health.paused_at, health.driver, health.may_delete) == (None, "synchronous", True)


def test_site_that_cannot_describe_itself_is_used_beside_another_server(moodle: Moodle, settings: Any) -> None:
    settings.ASYNC_URL, settings.ASYNC_TOKEN = moodle.url, moodle.token
    with open_client() as client:
        read_site(client)
        name = MoodleHealth.current().site_name
        moodle.faults.set("invalid_response", function="core_webservice_get_site_info")
        read_site(client)
    assert name
    assert MoodleHealth.current().site_name == name


@pytest.mark.parametrize("function", ["core_webservice_get_site_info", "core_course_get_categories"])
def test_probe_resumes_dispatch_although_one_answer_is_invalid(moodle: Moodle, clock: Clock, function: str) -> None:
    job = submit()
    moodle.faults.set("site_down")
    run_worker(job)
    moodle.faults.clear()
    moodle.faults.set("invalid_response", function=function)
    clock.forward(60)
    tasks.sweep()
    assert MoodleHealth.current().paused_at is None


@pytest.mark.parametrize("fault", ["notice", "html", "empty", "reset_after"])
def test_missing_course_counts_as_deleted_whatever_the_answer(moodle: Moodle, clock: Clock, fault: str) -> None:
    moodle.faults.set(fault, function=DELETE)
    job = submit()
    moodle.when(COPY, lambda: type(job).objects.filter(pk=job.pk).update(cancel_requested_at=job.created_at))
    job = run_worker(job)
    assert job.state == State.CANCELLED, timeline_of(job)
    assert moodle.made() == []
    assert "was deleted in Moodle" in reason(job, "cancelled_copy_deleted")


@pytest.mark.parametrize("names", [SPANS, "{{mlang fr}}{}{{mlang}}{{mlang en}}{}{{mlang}}"])
@pytest.mark.parametrize("lost", [True, False])
def test_copy_of_a_multi_language_course_keeps_its_languages(
    moodle: Moodle, clock: Clock, names: str, lost: bool
) -> None:
    source = moodle.add("MULTI-1", fullname=names.format("Cours", "Course"))
    moodle.change(source.id, shortname=names.format("A", "B"), sections=moodle.course("AT&T").sections)
    fullname, shortname = names.format("Copie", "Copy"), names.format("C", "D")
    if lost:
        moodle.faults.set("reset_after", count=1)
    job = check_until_ended(run_worker(submit(str(source.id), shortname, fullname=fullname)), clock)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    (copy,) = moodle.made()
    assert (copy.fullname, copy.shortname) == (fullname, shortname)
    assert job.source_fullname == names.format("Cours", "Course")


def test_error_of_moodle_is_kept_as_moodle_sent_it(moodle: Moodle, clock: Clock, settings: Any) -> None:
    answer = {"exception": "moodle_exception", "errorcode": "oddcode", "message": "A &amp; B broke"}
    moodle.answer_with(COPY, answer | {"debuginfo": "Table 'x' is full"})
    job = check_until_ended(run_worker(submit()), clock)
    assert (job.state, job.failure_code) == (State.FAILED, "oddcode")
    assert job.moodle_error == {
        "errorcode": "oddcode",
        "message": "A &amp; B broke",
        "debuginfo": "Table 'x' is full",
    }
    assert job.failure_message == "A &amp; B broke"
    (checking,) = job.events.filter(kind="checking")
    assert checking.data["debuginfo"] == "Table 'x' is full"


def test_job_without_an_answer_has_no_raw_error(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.RETRY_ATTEMPTS = 1
    job = submit("AT&T", "NEW-2")
    for _ in range(3):
        moodle.answer_page("core_course_get_courses_by_field", 502, "Blocked", about="NEW-2")
    job = run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "unreachable")
    assert job.moodle_error is None
